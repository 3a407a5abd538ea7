/// A list that is filled again and again. What is cleared stays in its array until something else is put over it: giving an
/// array's elements up costs more than most lists here hold.
struct RefilledList<Element: BitwiseCopyable> {
  private var array: [Element] = []
  private(set) var count = 0

  init(capacity: Int) { array.reserveCapacity(capacity) }

  var isEmpty: Bool { count == 0 }
  var indices: Range<Int> { 0..<count }

  subscript(index: Int) -> Element {
    precondition(index < count, "no such element")
    return array[index]
  }

  mutating func append(_ element: Element) {
    if count < array.count { array[count] = element } else { array.append(element) }
    count += 1
  }

  mutating func clear() { count = 0 }
}
