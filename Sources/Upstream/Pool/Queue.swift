/// A line that is joined at its end and left at either: a ring in an array, which allocates nothing once it has grown. Its
/// elements are plain values: one that has left stays in its slot until another takes that.
struct Queue<Element: Sendable>: Sendable {
  private var slots: [Element] = []
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  /// - Parameter index: from the first, which is 0.
  subscript(index: Int) -> Element {
    get {
      precondition(index < count, "no such place in the line")
      return slots[place(index)]
    }
    set { slots[place(index)] = newValue }
  }

  var first: Element? { count == 0 ? nil : slots[head] }
  var last: Element? { count == 0 ? nil : slots[place(count - 1)] }

  @inline(__always)
  mutating func append(_ element: Element) {
    if count == slots.count { grow(with: element) }
    slots[place(count)] = element
    count += 1
  }

  @inline(__always)
  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    defer { dropFirst() }
    return slots[head]
  }

  /// There is one.
  @inline(__always)
  mutating func dropFirst() {
    head = place(1)
    count -= 1
  }

  mutating func popLast() -> Element? {
    guard let last else { return nil }
    count -= 1
    return last
  }

  /// Takes one out; those behind it move up.
  mutating func remove(at index: Int) -> Element {
    let element = self[index]
    for next in index + 1..<max(count, index + 1) { slots[place(next - 1)] = slots[place(next)] }
    count -= 1
    return element
  }

  /// Gives back the memory that a long line took, once nobody stands in it.
  mutating func trim() { if count == 0, slots.count > 64 { slots = [] } }

  /// The ring's length is a power of two.
  @inline(__always)
  private func place(_ index: Int) -> Int { (head &+ index) & (slots.count &- 1) }

  @inline(never)
  private mutating func grow(with filling: Element) {
    var grown: [Element] = []
    grown.reserveCapacity(max(8, 2 * slots.count))
    for index in 0..<count { grown.append(slots[place(index)]) }
    for _ in count..<max(8, 2 * slots.count) { grown.append(filling) }
    slots = grown
    head = 0
  }
}
