import Wire

/// The mark by which a resource whose URI another server owns already is told apart: `sluice-server=<alias>` in its
/// query. It is put on toward clients and taken off toward the upstream.
public enum ResourceTag {
  static let key: StaticString = "sluice-server="

  /// The URI with the mark, before a fragment if there is one. Works on raw JSON string contents and on plain text
  /// alike, because nothing that it adds needs an escape.
  public static func append(_ uri: RawSpan, alias: String, to buffer: inout ByteBuffer) {
    let end = uri.firstIndex(of: 0x23) ?? uri.byteCount
    let base = uri.extracting(0..<end)
    buffer.append(base)
    buffer.append(base.firstIndex(of: 0x3F) == nil ? "?" : "&")
    buffer.append(key)
    buffer.append(alias)
    buffer.append(uri.extracting(end..<uri.byteCount))
  }

  /// Where the mark of this alias lies in a URI, with the character that joins it; nil without one.
  public static func range(in uri: RawSpan, alias: RawSpan) -> Slice? {
    var start = 0
    while start < uri.byteCount,
      let found = uri.extracting(start..<uri.byteCount).firstRange(of: key)
    {
      let from = start + found.lowerBound
      let valueStart = start + found.upperBound
      let end = valueStart + alias.byteCount
      start = valueStart
      guard from > 0, uri[byte: from - 1] == 0x3F || uri[byte: from - 1] == 0x26 else { continue }
      guard end <= uri.byteCount, uri.extracting(valueStart..<end).equals(alias) else { continue }
      guard end == uri.byteCount || uri[byte: end] == 0x26 || uri[byte: end] == 0x23 else { continue }
      // The first of several parameters leaves its question mark to the next one.
      if uri[byte: from - 1] == 0x3F, end < uri.byteCount, uri[byte: end] == 0x26 {
        return Slice(from..<(end + 1))
      }
      return Slice((from - 1)..<end)
    }
    return nil
  }

  /// The alias that a URI is marked with, as a place in it.
  public static func alias(in uri: RawSpan) -> Slice? {
    var start = 0
    while start < uri.byteCount, let found = uri.extracting(start..<uri.byteCount).firstRange(of: key) {
      let from = start + found.lowerBound
      var end = start + found.upperBound
      let valueStart = end
      start = end
      guard from > 0, uri[byte: from - 1] == 0x3F || uri[byte: from - 1] == 0x26 else { continue }
      while end < uri.byteCount, uri[byte: end] != 0x26, uri[byte: end] != 0x23 { end += 1 }
      return Slice(valueStart..<end)
    }
    return nil
  }
}
