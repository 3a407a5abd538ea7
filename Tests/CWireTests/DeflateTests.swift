import CWire
import CZlib
import Testing

@Suite("Deflate")
struct DeflateTests {
  @Test("every fixture gives its trace, however the input is cut", arguments: FixturePage.pages(in: "deflate"))
  func fixtures(page: FixturePage) throws {
    try page.check(["inflate": { pieces, options in InflateTrace.lines(pieces: pieces, options: options) }])
  }

  @Test("there are pages of fixtures")
  func pagesExist() {
    #expect(!FixturePage.pages(in: "deflate").isEmpty)
  }

  /// Text that repeats itself near and far, and noise that does not.
  private static let samples: [[UInt8]] = [
    [], [0x61], Array(repeating: 0x61, count: 70_000),
    Array((0..<4000).map { "{\"id\":\($0),\"name\":\"tool_\($0 % 97)\"}" }.joined().utf8),
    (0..<40_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) },
  ]

  private func deflated(_ data: [UInt8], _ codec: OpaquePointer, bits: Int, piece: Int, room: Int) -> [UInt8] {
    var out: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: room)
    guard cwire_deflate_begin(codec, UInt32(bits)) == CWIRE_DEFLATE_OK else { return [] }
    var index = 0
    repeat {
      let end = min(data.count, index + piece)
      withExactBytes(Array(data[index..<end])) { input in
        var rest = input
        var status = CWIRE_DEFLATE_FULL
        while status == CWIRE_DEFLATE_FULL {
          var count = 0
          status = cwire_deflate_next(codec, &rest, end == data.count, &buffer, room, &count)
          out += buffer[..<count]
        }
        #expect(status == CWIRE_DEFLATE_OK && rest.length == 0)
      }
      index = end
    } while index < data.count
    return out
  }

  @Test("what is deflated inflates to what it was, whatever the window and the pieces", arguments: 9...15)
  func roundTrip(bits: Int) throws {
    let codec = try #require(cwire_deflate_make())
    defer { cwire_deflate_free(codec) }
    for sample in Self.samples {
      for (piece, room) in [(Int.max / 2, 1 << 17), (1000, 100), (7, Int(CWIRE_DEFLATE_MIN_ROOM))] {
        let message = deflated(sample, codec, bits: bits, piece: piece, room: room)
        let trace = InflateTrace.lines(pieces: [message], options: [:])
        #expect(trace == (sample.isEmpty ? ["whole"] : ["data \(FixtureText.escape(sample))", "whole"]))
        #expect(message.suffix(4) != [0, 0, 0xff, 0xff])
      }
    }
  }

  @Test("a window of 9 bits reaches no further back than one of 8 may", arguments: DeflateTests.samples)
  func smallestWindow(sample: [UInt8]) throws {
    let codec = try #require(cwire_deflate_make())
    defer { cwire_deflate_free(codec) }
    let message = deflated(sample, codec, bits: 9, piece: 1 << 20, room: 1 << 17) + [0, 0, 0xff, 0xff]
    var out = [UInt8](repeating: 0, count: sample.count + 1)
    var stream = z_stream()
    #expect(inflateInit2_(&stream, -8, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
    defer { inflateEnd(&stream) }
    let result = withExactBytes(message) { input in
      out.withUnsafeMutableBufferPointer { room in
        stream.next_in = UnsafeMutablePointer(mutating: input.base)
        stream.avail_in = UInt32(input.length)
        stream.next_out = room.baseAddress
        stream.avail_out = UInt32(room.count)
        return inflate(&stream, Z_SYNC_FLUSH)
      }
    }
    #expect(result == Z_OK && stream.avail_in == 0)
    #expect(Array(out[..<Int(stream.total_out)]) == sample)
  }

  @Test("windows of other sizes are refused", arguments: [0, 7, 8, 16])
  func otherSizes(bits: UInt32) throws {
    let codec = try #require(cwire_deflate_make())
    defer { cwire_deflate_free(codec) }
    #expect(cwire_deflate_begin(codec, bits) == CWIRE_DEFLATE_INVALID)
  }

  @Test("a message given up halfway leaves nothing to the next")
  func abandoned() throws {
    let codec = try #require(cwire_deflate_make())
    defer { cwire_deflate_free(codec) }
    let sample = Self.samples[3]
    let whole = deflated(sample, codec, bits: 12, piece: sample.count, room: 1 << 17)
    var buffer = [UInt8](repeating: 0, count: 64)
    withExactBytes(sample) { input in
      var rest = input
      var count = 0
      #expect(cwire_deflate_begin(codec, 12) == CWIRE_DEFLATE_OK)
      #expect(cwire_deflate_next(codec, &rest, true, &buffer, buffer.count, &count) == CWIRE_DEFLATE_FULL)
    }
    withExactBytes(whole) { input in
      var rest = input
      var count = 0
      #expect(cwire_inflate_begin(codec, 1 << 20) == CWIRE_DEFLATE_OK)
      #expect(cwire_inflate_next(codec, &rest, false, &buffer, buffer.count, &count) == CWIRE_DEFLATE_FULL)
      var again = input
      #expect(cwire_inflate_begin(codec, 63) == CWIRE_DEFLATE_OK)
      #expect(cwire_inflate_next(codec, &again, true, &buffer, buffer.count, &count) == CWIRE_DEFLATE_TOO_BIG)
    }
    #expect(deflated(sample, codec, bits: 12, piece: sample.count, room: 1 << 17) == whole)
  }
}
