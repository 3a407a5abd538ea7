/// Reads durations, sizes and whole numbers as people write them in files, flags and variables.
public enum Quantity {
  static let durationForm = "a duration such as `30s`, `5m`, `250ms`, `1h30m` or a whole number of milliseconds"
  public static let sizeForm = "a size such as `64KiB`, `4MiB`, `1KB` or a number of bytes"

  /// `30s`, `5m`, `250ms`, `2h`, `1d`, `1m30s`, `1h 30m`; a bare number counts milliseconds.
  static func duration(_ text: String) -> Duration? {
    if let milliseconds = whole(text[...]) { return milliseconds <= largest ? .milliseconds(milliseconds) : nil }
    var rest = text[...]
    var total = 0
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      guard let count = whole(digits), let factor = milliseconds[String(unit)] else { return nil }
      let (part, tooBig) = count.multipliedReportingOverflow(by: factor)
      let (sum, overflows) = total.addingReportingOverflow(part)
      if tooBig || overflows || sum > largest { return nil }
      total = sum
      if rest.first == " ", rest.dropFirst().first?.isNumber == true { rest.removeFirst() }
    }
    return text.isEmpty ? nil : .milliseconds(total)
  }

  /// `64KiB` is 65,536, `1KB` is 1,000, a bare number counts bytes. Units in any case.
  public static func size(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let unit = text.dropFirst(digits.count).drop { $0 == " " }
    guard let count = whole(digits), let factor = bytes[unit.lowercased()] else { return nil }
    let (product, overflows) = count.multipliedReportingOverflow(by: factor)
    return overflows ? nil : product
  }

  public static func whole(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(text)
  }

  /// `2` is 2,000 thousandths, `0.5` is 500; at most three places behind the point.
  public static func thousandths(_ text: String) -> Int? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let ones = whole(parts[0]), ones <= 1_000_000_000 else { return nil }
    guard parts.count == 2 else { return ones * 1000 }
    guard parts[1].count <= 3, let rest = whole(parts[1]) else { return nil }
    return ones * 1000 + rest * [100, 10, 1][parts[1].count - 1]
  }

  /// `2` or `0.5`, of thousandths.
  public static func describe(thousandths: Int) -> String {
    var rest = String(thousandths % 1000 + 1000).dropFirst()
    while rest.last == "0" { rest.removeLast() }
    return "\(thousandths / 1000)" + (rest.isEmpty ? "" : ".\(rest)")
  }

  /// The shortest of the forms above that means exactly this.
  public static func describe(_ duration: Duration) -> String {
    let parts = duration.components
    let total = Int(parts.seconds) * 1000 + Int(parts.attoseconds / 1_000_000_000_000_000)
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
    for (unit, factor) in units where total >= factor && total % factor == 0 {
      return "\(total / factor)\(unit)"
    }
    return "\(total)ms"
  }

  public static func describe(size: Int) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
    for (unit, factor) in units where size >= factor && size % factor == 0 {
      return "\(size / factor)\(unit)"
    }
    return "\(size) bytes"
  }

  /// A hundred years: far beyond any meaning, far below any overflow in the clocks that add to it.
  private static let largest = 100 * 366 * 86_400_000

  private static let milliseconds = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]

  private static let bytes = [
    "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
  ]
}
