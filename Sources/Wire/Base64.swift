import CWire

/// Base64 of RFC 4648, strict.
public enum Base64 {
  public enum Alphabet: Sendable {
    /// `+` and `/`, padded.
    case standard
    /// `-` and `_`, never padded.
    case url

    var code: cwire_base64_alphabet { self == .standard ? CWIRE_BASE64_STANDARD : CWIRE_BASE64_URL }
  }

  /// Decodes to the end of `buffer`. False, and nothing appended, for malformed text.
  public static func decode(_ text: RawSpan, _ alphabet: Alphabet, into buffer: inout ByteBuffer) -> Bool {
    var good = true
    _ = unsafe buffer.fill(room: text.byteCount) { out, room in
      let length = unsafe text.withC { unsafe cwire_base64_decode($0, alphabet.code, out, room) }
      guard length != Int.max, length >= 0, length <= room else {
        good = false
        return 0
      }
      return length
    }
    return good
  }

  /// Decodes text that must fill `out`, which is not empty, exactly. False for any other.
  public static func decode(_ text: RawSpan, _ alphabet: Alphabet, filling out: inout MutableSpan<UInt8>) -> Bool {
    let length = unsafe out.withUnsafeMutableBufferPointer { buffer in
      unsafe text.withC { unsafe cwire_base64_decode($0, alphabet.code, buffer.baseAddress!, buffer.count) }
    }
    return length == out.count
  }
}

extension ByteBuffer {
  public mutating func append(base64 bytes: RawSpan, _ alphabet: Base64.Alphabet) {
    let length = cwire_base64_encoded_length(bytes.byteCount, alphabet.code)
    unsafe write(room: length) { writer in
      unsafe bytes.withC { unsafe cwire_base64_put(&writer, $0, alphabet.code) }
    }
  }
}

/// The header values of MCP 2026-07-28 that may be wrapped as `=?base64?…?=`.
public enum HeaderCodec {
  /// Appends the text that a header value stands for: blanks around it dropped, the sentinel decoded. False, and
  /// nothing appended, when it is malformed.
  public static func decode(_ value: RawSpan, into buffer: inout ByteBuffer) -> Bool {
    var good = true
    _ = unsafe buffer.fill(room: value.byteCount) { out, room in
      let length = unsafe value.withC { unsafe cwire_mcp_header_decode($0, out, room) }
      guard length != Int.max, length >= 0, length <= room else {
        good = false
        return 0
      }
      return length
    }
    return good
  }
}
