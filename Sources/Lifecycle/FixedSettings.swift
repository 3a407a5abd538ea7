import Configuration

extension GatewayConfiguration {
  /// Takes over what can't change while the gateway runs; gives the keys that had another value.
  public mutating func keepFixed(of running: GatewayConfiguration) -> [String] {
    var changed: [String] = []
    func keep<Value: Equatable>(_ key: String, _ path: WritableKeyPath<GatewayConfiguration, Value>) {
      guard self[keyPath: path] != running[keyPath: path] else { return }
      self[keyPath: path] = running[keyPath: path]
      changed.append(key)
    }
    keep("listeners.http.host", \.listeners.http.host)
    keep("listeners.http.port", \.listeners.http.port)
    keep("listeners.websocket.host", \.listeners.webSocket.host)
    keep("listeners.websocket.port", \.listeners.webSocket.port)
    keep("listeners.admin.host", \.listeners.admin.host)
    keep("listeners.admin.port", \.listeners.admin.port)
    keep("workers", \.workers)
    keep("takeover_socket", \.takeoverSocket)
    keep("state_dir", \.stateDirectory)
    keep("sessions.secret", \.sessions.secrets)
    keep("sessions.secret_file", \.sessions.secretFile)
    return changed
  }
}
