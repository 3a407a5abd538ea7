/// A line that is joined at its end and left at either: a ring in an array, which allocates nothing once it has grown.
struct Queue<Element: Sendable>: Sendable {
  private var slots: [Element?] = []
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  /// - Parameter index: from the first, which is 0.
  subscript(index: Int) -> Element {
    get {
      guard let element = slots[place(index)] else { preconditionFailure("no such place in the line") }
      return element
    }
    set { slots[place(index)] = newValue }
  }

  var first: Element? { count == 0 ? nil : slots[head] }
  var last: Element? { count == 0 ? nil : slots[place(count - 1)] }

  mutating func append(_ element: Element) {
    if count == slots.count { grow() }
    slots[place(count)] = element
    count += 1
  }

  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = slots[head]
    slots[head] = nil
    head = place(1)
    count -= 1
    return element
  }

  mutating func popLast() -> Element? {
    guard count > 0 else { return nil }
    let last = place(count - 1)
    let element = slots[last]
    slots[last] = nil
    count -= 1
    return element
  }

  /// Takes one out; those behind it move up.
  mutating func remove(at index: Int) -> Element {
    let element = self[index]
    for next in index + 1..<max(count, index + 1) { slots[place(next - 1)] = slots[place(next)] }
    slots[place(count - 1)] = nil
    count -= 1
    return element
  }

  /// Gives back the memory that a long line took, once nobody stands in it.
  mutating func trim() { if count == 0, slots.count > 64 { slots = [] } }

  /// The ring's length is a power of two.
  @inline(__always)
  private func place(_ index: Int) -> Int { (head &+ index) & (slots.count &- 1) }

  private mutating func grow() {
    var grown: [Element?] = []
    grown.reserveCapacity(max(8, 2 * slots.count))
    for index in 0..<count { grown.append(slots[place(index)]) }
    for _ in count..<max(8, 2 * slots.count) { grown.append(nil) }
    slots = grown
    head = 0
  }
}
