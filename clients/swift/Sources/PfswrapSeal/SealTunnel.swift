// One sealed connection without I/O, on the tunnel of the C library: bytes of the transport go in and out, and so do bytes of data.
// With Network.framework, receive() takes what a connection has received, and dataToSend() is what it sends next.
import CPfswrapSeal

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A sealed connection cannot begin or continue. The text has no secret and no data.
public struct SealError: Error, CustomStringConvertible {
    /// The name in docs/WIRE.md.
    public let name: String
    public let description: String
    /// The server ended the connection during the handshake: try the next pinned key once, on a new connection.
    public let isRefusal: Bool

    init(_ code: Int32, inHandshake: Bool = false) {
        name = String(cString: pfswrap_seal_error_name(code))
        isRefusal = inHandshake && name == "E_TRUNCATED"
        description = isRefusal
            ? "the server ended the connection during the handshake: it may have no seal at this port, not have the key that is"
                + " pinned here, or not admit this client's key"
            : name + ": " + String(cString: pfswrap_seal_error_text(code))
    }

    init(text: String) {
        name = "E_ARGUMENT"
        description = text
        isRefusal = false
    }
}

/// The keys of a client: its own, and the server's pinned ones, the current key first. Base64, as pfswrap genkey and pubkey print it.
public final class SealKeys {
    let keyring: OpaquePointer
    let serverName = strdup("server")
    public let pinCount: Int

    /// Without an identity, the client is anonymous.
    public init(identity: [UInt8]?, pins: [String]) throws {
        guard let keyring = pfswrap_keyring_new() else { throw SealError(text: "no memory for keys") }
        self.keyring = keyring
        pinCount = pins.count
        guard !pins.isEmpty else { throw SealError(text: "no pinned key of the server") }
        if let identity {
            guard identity.count == 32, pfswrap_keyring_add_identity(keyring, identity) == 0 else {
                throw SealError(text: "an identity that is not valid, expected 32 bytes")
            }
        }
        var error = pfswrap_keys_error()
        let text = pins.map { "server " + $0 + "\n" }.joined()
        guard pfswrap_keyring_parse_peers(keyring, text, text.utf8.count, "the pinned keys", &error) == 0 else {
            throw SealError(text: withUnsafeBytes(of: &error) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) })
        }
    }

    deinit {
        pfswrap_keyring_free(keyring)
        free(serverName)
    }

    var isAnonymous: Bool { pfswrap_keyring_count_identities(keyring) == 0 }
}

/// Not for two threads at once. Send what dataToSend() returns after every call, in its order.
public final class SealTunnel {
    private let keys: SealKeys
    private let names: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let config: UnsafeMutablePointer<pfswrap_seal_config>
    private var tunnel: OpaquePointer?
    private var input: [UInt8] = []
    private var output: [UInt8] = []
    private var transportEnded = false
    private var isOpen = false

    /// A client of the server with the pinned key of this number. `binding` is the exporter value of the TLS connection (32 bytes,
    /// docs/MOBILE.md), and empty on a socket.
    public init(keys: SealKeys, pin: Int = 0, binding: [UInt8] = []) throws {
        self.keys = keys
        names = .allocate(capacity: 1)
        names.initialize(to: UnsafePointer(keys.serverName))
        config = .allocate(capacity: 1)
        config.initialize(to: pfswrap_seal_config())
        config.pointee.keyring = keys.keyring
        config.pointee.names = UnsafePointer(names)
        config.pointee.name_count = 1
        config.pointee.anonymous = keys.isAnonymous
        config.pointee.transport_max = binding.isEmpty ? 0 : UInt32(PFSWRAP_SEAL_TLS_RECORD)
        var transport = pfswrap_tunnel_transport(
            read: { context, buffer, size in SealTunnel.of(context).take(buffer, size) },
            write: { context, data, length in SealTunnel.of(context).give(data, length) },
            context: Unmanaged.passUnretained(self).toOpaque())
        var error: Int32 = 0
        tunnel = pfswrap_tunnel_new(PFSWRAP_SEAL_INITIATOR, config, binding, binding.count, UInt32(pin), &transport, &error)
        if tunnel == nil { throw SealError(error) }
    }

    deinit {
        pfswrap_tunnel_free(tunnel)
        config.deallocate()
        names.deallocate()
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> SealTunnel {
        Unmanaged<SealTunnel>.fromOpaque(context!).takeUnretainedValue()
    }

    private func take(_ buffer: UnsafeMutableRawPointer?, _ size: Int) -> Int32 {
        let count = min(size, input.count)
        if count == 0 { return transportEnded ? 0 : -1 }
        input.withUnsafeBytes { buffer!.copyMemory(from: $0.baseAddress!, byteCount: count) }
        input.removeFirst(count)
        return Int32(count)
    }

    private func give(_ data: UnsafeRawPointer?, _ length: Int) -> Int32 {
        output += UnsafeRawBufferPointer(start: data, count: length)
        return Int32(length)
    }

    /// Bytes that the transport has received; none is its end.
    public func receive(_ bytes: [UInt8]) {
        if bytes.isEmpty { transportEnded = true } else { input += bytes }
    }

    /// Bytes for the transport, once.
    public func dataToSend() -> [UInt8] {
        defer { output = [] }
        return output
    }

    private func result(_ code: Int32) throws -> Int32? {
        if Int(code) == PFSWRAP_TUNNEL_STOPPED { return nil }
        if code < 0 { throw SealError(code, inHandshake: !isOpen) }
        return code
    }

    /// Continues the handshake. True when the server is authenticated; false when more bytes are needed.
    public func handshake() throws -> Bool {
        if !isOpen { isOpen = try result(pfswrap_tunnel_handshake(tunnel)) == 1 }
        return isOpen
    }

    /// Data; an empty array at the authenticated end; nil when more bytes are needed. Re-handshakes go on in here.
    public func read() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: PFSWRAP_SEAL_CHUNK_MAX)
        guard let count = try result(pfswrap_tunnel_read(tunnel, &buffer, buffer.count)) else { return nil }
        return Array(buffer[..<Int(count)])
    }

    /// Seals the first bytes and returns how many; 0 when bytes of the server are needed first.
    public func write(_ data: [UInt8]) throws -> Int {
        Int(try result(pfswrap_tunnel_write(tunnel, data, data.count)) ?? 0)
    }

    /// Ends this direction with FINAL.
    public func close() throws {
        _ = try result(pfswrap_tunnel_close(tunnel))
    }
}
