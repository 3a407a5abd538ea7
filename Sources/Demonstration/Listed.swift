import Wire

/// What stands in a list.
protocol Listed: CaseIterable {
  /// Its entry, as a JSON object.
  var entry: StaticString { get }
}

extension ByteBuffer {
  /// A member of a result that holds the entries of a list.
  mutating func append(entriesOf list: (some Listed).Type, as name: StaticString) {
    append("\"")
    append(name)
    append("\":[")
    for (position, item) in list.allCases.enumerated() {
      if position > 0 { append(",") }
      append(item.entry)
    }
    append("]")
  }
}
