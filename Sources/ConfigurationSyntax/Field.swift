/// One key of a mapping: its name, what is under it, and how its value goes into `Root`.
///
/// The tables of fields are the grammar. The reader, the schema's test and the `SLUICE_*` variables all go by them, so a
/// key exists in all three or in none.
public struct Field<Root> {
  let name: String
  /// False for a key of a feature that is not there yet: it is checked, and the operator is told.
  var isActive = true
  var members: [KeyOutline] = []
  /// The settings at or below this key that a variable or a flag can give.
  public var leaves: [Leaf<Root>] = []
  let read: (SourceNode, inout Root, inout Reading) -> Void

  public var outline: KeyOutline { KeyOutline(name: name, members: members) }

  /// The same key, of a feature that is not there yet.
  public var inactive: Field {
    var copy = self
    copy.isActive = false
    return copy
  }
}

/// A setting with a value of its own, named from the root on.
public struct Leaf<Root> {
  public var path: [String]
  public var isList = false
  public var read: (SourceNode, inout Root, inout Reading) -> Void

  /// `SLUICE_LIMITS_HEAD_TIMEOUT` for `limits.head_timeout`.
  public var variable: String { "SLUICE_" + path.joined(separator: "_").uppercased() }
}

extension Field {
  private static func leaf(
    _ name: String, isList: Bool = false, read: @escaping (SourceNode, inout Root, inout Reading) -> Void
  ) -> Field {
    Field(name: name, leaves: [Leaf(path: [name], isList: isList, read: read)], read: read)
  }

  /// A scalar that `parse` understands; nil from it says that the form is wrong, an error also why.
  public static func value<Value>(
    _ name: String, _ target: WritableKeyPath<Root, Value>, expected: String, choices: [String] = [],
    parse: @escaping (String) throws(Unfit) -> Value?
  ) -> Field {
    leaf(name) { node, root, reading in
      guard let text = reading.text(node, expected: expected),
        let value = reading.parsed(text, expected: expected, choices: choices, parse)
      else { return }
      root[keyPath: target] = value
    }
  }

  public static func integer(_ name: String, _ target: WritableKeyPath<Root, Int>, in range: ClosedRange<Int>) -> Field
  {
    value(name, target, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
      Quantity.whole(text[...]).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  public static func size(_ name: String, _ target: WritableKeyPath<Root, Int>, in range: ClosedRange<Int>) -> Field {
    let bounds =
      "from \(Quantity.describe(size: range.lowerBound)) to \(Quantity.describe(size: range.upperBound))"
    return value(name, target, expected: "\(Quantity.sizeForm), \(bounds)") { text in
      Quantity.size(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  public static func duration(
    _ name: String, _ target: WritableKeyPath<Root, Duration>,
    in range: ClosedRange<Duration> = .milliseconds(1)...Duration.seconds(366 * 86_400)
  ) -> Field {
    let bounds = "from \(Quantity.describe(range.lowerBound)) to \(Quantity.describe(range.upperBound))"
    return value(name, target, expected: "\(Quantity.durationForm), \(bounds)") { text in
      Quantity.duration(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A value that `parse` understands, or `off`, which is nil.
  public static func orOff<Value>(
    _ name: String, _ target: WritableKeyPath<Root, Value?>, expected: String,
    parse: @escaping (String) -> Value?
  ) -> Field {
    value(name, target, expected: "`off` or \(expected)", choices: ["off"]) { text in
      text == "off" ? .some(nil) : parse(text).map { .some($0) }
    }
  }

  /// A duration, or `off`, which is nil.
  public static func durationOrOff(
    _ name: String, _ target: WritableKeyPath<Root, Duration?>, in range: ClosedRange<Duration>
  ) -> Field {
    let bounds = "from \(Quantity.describe(range.lowerBound)) to \(Quantity.describe(range.upperBound))"
    return orOff(name, target, expected: "\(Quantity.durationForm), \(bounds)") { text in
      Quantity.duration(text).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A choice that is nil until it is made.
  public static func choice<Value: CaseIterable & RawRepresentable>(
    _ name: String, _ target: WritableKeyPath<Root, Value?>
  ) -> Field where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue)
    return value(name, target, expected: "one of \(Reading.list(names))", choices: names) { text in
      Value(rawValue: text).map { .some($0) }
    }
  }

  public static func choice<Value: CaseIterable & RawRepresentable>(
    _ name: String, _ target: WritableKeyPath<Root, Value>
  ) -> Field where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue)
    return value(name, target, expected: "one of \(Reading.list(names))", choices: names) { Value(rawValue: $0) }
  }

  public static func flag(_ name: String, _ target: WritableKeyPath<Root, Bool>) -> Field {
    value(name, target, expected: "`true` or `false`") { ["true": true, "false": false][$0] }
  }

  /// A string whose form is checked later, with its place; the last one given wins.
  public static func text(_ name: String, _ target: WritableKeyPath<Root, Located<String>?>) -> Field {
    leaf(name) { node, root, reading in
      if let text = reading.text(node) { root[keyPath: target] = text }
    }
  }

  /// A list of scalars that `parse` understands; in a variable they stand between commas.
  public static func list<Value>(
    _ name: String, _ target: WritableKeyPath<Root, [Value]>, expected: String,
    parse: @escaping (String) throws(Unfit) -> Value?
  ) -> Field {
    leaf(name, isList: true) { node, root, reading in
      root[keyPath: target] = reading.texts(node, expected: "a list, each item \(expected)")
        .compactMap { reading.parsed($0, expected: expected, parse) }
    }
  }

  /// A list of secrets, each of at least so many characters. What is wrong with one is said without showing it.
  public static func secrets(_ name: String, _ target: WritableKeyPath<Root, [String]>, atLeast length: Int) -> Field {
    leaf(name, isList: true) { node, root, reading in
      let texts = reading.texts(node, expected: "a list of secrets")
      for text in texts where text.value.utf8.count < length || text.value.contains(where: \.isWhitespace) {
        reading.report(
          at: text.position, "`\(reading.dottedPath)` is no secret",
          expected: "at least \(length) characters without blanks, such as `openssl rand -hex 32` prints")
      }
      root[keyPath: target] = texts.map(\.value)
    }
  }

  /// A path of a file, from the directory of the file that names it on; `auto`: none.
  public static func path(_ name: String, _ target: WritableKeyPath<Root, String?>) -> Field {
    leaf(name) { node, root, reading in
      guard let text = reading.text(node, expected: "`auto` or a path") else { return }
      guard !text.value.isEmpty, !text.value.utf8.contains(0) else {
        return reading.mismatch(node, expected: "`auto` or a path")
      }
      root[keyPath: target] =
        text.value == "auto" ? nil : FilePath.resolve(text.value, from: reading.directory, home: reading.home)
    }
  }

  /// A mapping with fields of its own.
  public static func section<Value>(
    _ name: String, _ target: WritableKeyPath<Root, Value>, _ fields: [Field<Value>]
  ) -> Field {
    let leaves = fields.flatMap { field in
      field.leaves.map { leaf in
        Leaf<Root>(path: [name] + leaf.path, isList: leaf.isList) { node, root, reading in
          leaf.read(node, &root[keyPath: target], &reading)
        }
      }
    }
    return Field(name: name, members: fields.map(\.outline), leaves: leaves) { node, root, reading in
      reading.mapping(node, fields: fields, into: &root[keyPath: target])
    }
  }

  /// A key with a reader of its own, beyond the reach of variables.
  public static func custom(
    _ name: String, members: [KeyOutline] = [], read: @escaping (SourceNode, inout Root, inout Reading) -> Void
  ) -> Field {
    Field(name: name, members: members, read: read)
  }
}
