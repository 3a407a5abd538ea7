import CReactor
import Glibc
import Testing

/// The Unix socket over which listening sockets go from one process to the next.
@Suite("Handing sockets over")
struct HandoverTests {
  private let path = "/tmp/handover-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"

  private func receive(_ connection: Int32, timeout: Int32 = 1000) -> (length: Int, text: String, descriptors: [Int32])
  {
    var text = [CChar](repeating: 0, count: Int(CR_HANDOVER_TEXT))
    var descriptors = [Int32](repeating: -1, count: Int(CR_HANDOVER_DESCRIPTORS))
    var count = 0
    let length = cr_handover_receive(connection, timeout, &text, &descriptors, &count)
    let bytes = text.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }
    return (length, String(decoding: bytes, as: UTF8.self), Array(descriptors.prefix(count)))
  }

  @Test("a message comes whole, with descriptors that work and close on exec")
  func message() throws {
    let listener = cr_handover_listen(path)
    try #require(listener >= 0)
    defer {
      close(listener)
      unlink(path)
    }
    let client = cr_handover_connect(path)
    let server = cr_handover_accept(listener)
    try #require(client >= 0 && server >= 0)
    defer { close(client) }
    #expect(cr_handover_peer(client) == getpid())
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    #expect(cr_handover_send(server, "two ends", 8, ends, 2) == 0)
    #expect(cr_handover_send(server, "none", 4, nil, 0) == 0)
    let first = receive(client)
    #expect(first.text == "two ends")
    try #require(first.descriptors.count == 2)
    #expect(first.descriptors.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
    #expect(write(first.descriptors[1], "x", 1) == 1)
    var byte: UInt8 = 0
    #expect(read(ends[0], &byte, 1) == 1)
    #expect(byte == UInt8(ascii: "x"))
    for descriptor in ends + first.descriptors { close(descriptor) }
    let second = receive(client)
    #expect(second.text == "none")
    #expect(second.descriptors.isEmpty)
    #expect(receive(client, timeout: 0).length == Int(-ETIMEDOUT))
    close(server)
    #expect(receive(client).length == 0)
  }

  @Test("descriptors that nobody asked for are closed, and who does not read holds nobody up")
  func uninvited() throws {
    let listener = cr_handover_listen(path)
    try #require(listener >= 0)
    defer {
      close(listener)
      unlink(path)
    }
    let client = cr_handover_connect(path)
    let server = cr_handover_accept(listener)
    try #require(client >= 0 && server >= 0)
    defer {
      close(client)
      close(server)
    }
    var ends: [Int32] = [0, 0]
    #expect(pipe(&ends) == 0)
    #expect(cr_handover_send(client, "gift", 4, [ends[1]], 1) == 0)
    close(ends[1])
    var text = [CChar](repeating: 0, count: Int(CR_HANDOVER_TEXT))
    var count = 1
    #expect(cr_handover_receive(server, 1000, &text, nil, &count) == 4)
    #expect(count == 0)
    // Nobody holds the other end of the pipe any more.
    var byte: UInt8 = 0
    #expect(read(ends[0], &byte, 1) == 0)
    close(ends[0])
    var status: Int32 = 0
    for _ in 0..<100_000 where status == 0 { status = cr_handover_send(client, "x", 1, nil, 0) }
    #expect(status == -EAGAIN)
  }

  @Test("what processes that are gone have left is removed, and nothing else")
  func sweep() throws {
    // Beyond what the kernel gives to processes.
    let dead = "\(path).2147483647"
    let others = ["\(path).\(getpid())", "\(path).2147483647x", "\(path)x.2147483647", path]
    for left in [dead] + others {
      let listener = cr_handover_listen(left)
      try #require(listener >= 0)
      close(listener)
    }
    defer { for file in others { unlink(file) } }
    cr_handover_sweep(path)
    #expect(Glibc.access(dead, F_OK) != 0)
    for file in others { #expect(Glibc.access(file, F_OK) == 0, "\(file)") }

    // Who listens lives, even where its process can't be seen.
    let listener = cr_handover_listen(dead)
    try #require(listener >= 0)
    cr_handover_sweep(path)
    #expect(Glibc.access(dead, F_OK) == 0)
    close(listener)
    unlink(dead)
  }

  @Test("nobody but the user can reach the socket, and a path is taken once")
  func access() throws {
    let listener = cr_handover_listen(path)
    try #require(listener >= 0)
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(cr_handover_listen(path) == -EADDRINUSE)
    #expect(cr_handover_accept(listener) == -EAGAIN)
    close(listener)
    #expect(cr_handover_connect(path) == -ECONNREFUSED)
    unlink(path)
    #expect(cr_handover_connect(path) == -ENOENT)
    #expect(cr_handover_connect(String(repeating: "x", count: 200)) == -ENAMETOOLONG)
  }
}
