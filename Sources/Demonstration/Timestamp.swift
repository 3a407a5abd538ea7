/// A time of the wall clock.
public struct Timestamp: Sendable, Equatable {
  /// Since 1970-01-01T00:00:00Z.
  public let milliseconds: UInt64

  public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  var seconds: UInt64 { milliseconds / 1000 }

  /// Whole seconds since an earlier time; 0 if the clock was set back.
  func seconds(since earlier: Timestamp) -> UInt64 {
    milliseconds > earlier.milliseconds ? (milliseconds - earlier.milliseconds) / 1000 : 0
  }

  /// As of RFC 3339, in whole seconds.
  func text(offsetMinutes offset: Int = 0) -> String {
    let local = Int(seconds) + offset * 60
    let days = (local >= 0 ? local : local - 86_399) / 86_400
    let second = local - days * 86_400
    let (year, month, day) = Self.date(days)
    let clock = "\(Self.two(second / 3600)):\(Self.two(second / 60 % 60)):\(Self.two(second % 60))"
    let zone =
      offset == 0
      ? "Z" : "\(offset < 0 ? "-" : "+")\(Self.two(offset.magnitude / 60)):\(Self.two(offset.magnitude % 60))"
    return "\(year)-\(Self.two(month))-\(Self.two(day))T\(clock)\(zone)"
  }

  /// The Gregorian date that many days after 1970-01-01. Years begin in March here, so that a leap day is the last.
  private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }

  private static func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
