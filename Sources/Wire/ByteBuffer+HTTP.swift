import CWire

/// Heads are always written afresh, never copied through, so that nothing a peer sent can become framing. Each of
/// these answers false, and appends nothing, where a name is no token or a value has a control character in it.
extension ByteBuffer {
  /// `POST /mcp HTTP/1.1`
  @discardableResult
  public mutating func append(requestLine method: StaticString, target: RawSpan) -> Bool {
    unsafe write(room: method.utf8CodeUnitCount + target.byteCount + 12) { writer in
      unsafe method.bytes.withC { method in
        unsafe target.withC { unsafe cwire_http1_put_request_line(&writer, method, $0) }
      }
    }
  }

  /// `HTTP/1.1 200 OK`
  @discardableResult
  public mutating func append(statusLine status: Int) -> Bool {
    unsafe write(room: 64) { unsafe cwire_http1_put_status_line(&$0, Int32(truncatingIfNeeded: status)) }
  }

  /// A header line with one of the known names.
  @discardableResult
  public mutating func append(header field: HeaderField, _ value: RawSpan) -> Bool {
    unsafe write(room: value.byteCount + 48) { writer in
      unsafe value.withC { unsafe cwire_http1_put_field(&writer, field.code, $0) }
    }
  }

  @discardableResult
  public mutating func append(header field: HeaderField, _ value: StaticString) -> Bool {
    append(header: field, value.bytes)
  }

  /// A header line with any name.
  @discardableResult
  public mutating func append(header name: RawSpan, _ value: RawSpan) -> Bool {
    unsafe write(room: name.byteCount + value.byteCount + 4) { writer in
      unsafe name.withC { name in
        unsafe value.withC { unsafe cwire_http1_put_header(&writer, name, $0) }
      }
    }
  }

  /// A header line whose value is text that may need the base64 sentinel of MCP 2026-07-28 (`Mcp-Name`,
  /// `Mcp-Param-*`). `text` is UTF-8; the name must be a token, and the encoding makes any text safe.
  public mutating func append(header name: RawSpan, encoding text: RawSpan) {
    append(name)
    append(": ")
    append(headerValue: text)
    append("\r\n")
  }

  public mutating func append(contentLength length: Int) {
    unsafe write(room: 48) { unsafe cwire_http1_put_content_length(&$0, UInt64(length)) }
  }

  public mutating func appendHeadEnd() {
    append("\r\n")
  }

  /// `Sun, 06 Nov 1994 08:49:37 GMT`
  public mutating func append(date unixSeconds: Int64) {
    unsafe write(room: Int(CWIRE_HTTP1_DATE_LENGTH)) { unsafe cwire_http1_put_date(&$0, unixSeconds) }
  }

  /// The value of an `Mcp-Name` or `Mcp-Param-*` header for UTF-8 `text`: plain where that is safe, else within
  /// the base64 sentinel.
  public mutating func append(headerValue text: RawSpan) {
    let length = unsafe text.withC { unsafe cwire_mcp_header_encoded_length($0) }
    unsafe write(room: length) { writer in
      unsafe text.withC { unsafe cwire_mcp_header_put(&writer, $0) }
    }
  }
}
