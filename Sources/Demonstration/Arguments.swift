import Wire

/// The arguments of a tool's call, read by name. What is wrong with them goes to the model, as a tool's failure.
struct Arguments: ~Escapable {
  struct Fault: Error {
    let text: String
  }

  private let object: RawSpan?

  @_lifetime(copy object)
  init(_ object: RawSpan?) { self.object = object }

  /// The raw token; nil if the argument is absent or null.
  @_lifetime(copy self)
  private func value(_ name: StaticString) -> RawSpan? {
    guard let object, let value = JSON.find(name, in: object), JSON.kind(of: value) != .null else { return nil }
    return value
  }

  func string(_ name: StaticString) throws(Fault) -> String? {
    guard let value = value(name) else { return nil }
    guard let text = JSON.string(value) else { throw Fault(text: "Argument \"\(name)\" must be a string.") }
    return text
  }

  func integer(_ name: StaticString, in range: ClosedRange<Int64>) throws(Fault) -> Int64? {
    guard let value = value(name) else { return nil }
    guard let number = JSON.integer(value), range.contains(number) else {
      throw Fault(text: "Argument \"\(name)\" must be an integer from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  /// A number that must be there.
  func number(_ name: StaticString) throws(Fault) -> Number {
    guard let value = value(name) else { throw Fault(text: "Argument \"\(name)\" is missing.") }
    switch JSON.kind(of: value) {
    case .integer:
      if let exact = JSON.integer(value) { return .integer(exact) }
      fallthrough
    case .number:
      guard let number = Double(value.text), number.isFinite else { fallthrough }
      return .real(number)
    default:
      throw Fault(text: "Argument \"\(name)\" must be a number.")
    }
  }
}

/// A JSON number as far as a sum needs it: exact while it is a 64-bit integer.
enum Number: CustomStringConvertible {
  case integer(Int64)
  case real(Double)

  private var real: Double {
    switch self {
    case .integer(let value): Double(value)
    case .real(let value): value
    }
  }

  /// nil if the sum is beyond all numbers that can be written.
  static func + (a: Number, b: Number) -> Number? {
    if case .integer(let a) = a, case .integer(let b) = b {
      let (sum, overflow) = a.addingReportingOverflow(b)
      if !overflow { return .integer(sum) }
    }
    let sum = a.real + b.real
    return sum.isFinite ? .real(sum) : nil
  }

  /// As JSON.
  var description: String {
    switch self {
    case .integer(let value): value.description
    case .real(let value): Int64(exactly: value)?.description ?? value.description
    }
  }
}

extension JSON {
  /// The text of a string token; nil for any other value and for none.
  static func text(_ value: RawSpan?) -> String? {
    guard let value else { return nil }
    return string(value)
  }
}
