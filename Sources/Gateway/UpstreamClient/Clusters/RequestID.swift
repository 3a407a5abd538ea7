/// Tells the numbers of upstream requests from others.
enum RequestName {}

/// Names an upstream request: the JSON-RPC id and the progress token toward the server.
typealias RequestID = SlotID<RequestName>

/// Names a link of one worker.
struct LinkReference: Sendable, Equatable, Hashable {
  var worker: Int
  var number: UInt32
}
