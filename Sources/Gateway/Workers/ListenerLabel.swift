/// Numbers that tell the listeners apart.
package enum ListenerLabel {
  package static let http: UInt32 = 1
  package static let admin: UInt32 = 2
  package static let webSocket: UInt32 = 3
}
