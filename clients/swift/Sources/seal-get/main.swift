// Gets a page over a sealed socket, for example from examples/test-server:
//     seal-get ADDRESS PORT KEY-FILE|- PINNED-KEY [NEXT-PINNED-KEY]
// POSIX sockets, so that it is the same on Linux and on Apple's platforms. An app uses Network.framework in their place.
import Foundation
import PfswrapSeal

struct NetworkError: Error {
    let text: String
}

func connectSocket(_ host: String, _ port: String) throws -> Int32 {
    var hints = addrinfo()
    var found: UnsafeMutablePointer<addrinfo>?
    #if canImport(Glibc)
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
    hints.ai_socktype = SOCK_STREAM
    #endif
    guard getaddrinfo(host, port, &hints, &found) == 0 else { throw NetworkError(text: "no address for \(host)") }
    defer { freeaddrinfo(found) }
    var next = found
    while let address = next?.pointee {
        let descriptor = socket(address.ai_family, address.ai_socktype, address.ai_protocol)
        if descriptor >= 0 && connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return descriptor }
        if descriptor >= 0 { close(descriptor) }
        next = address.ai_next
    }
    throw NetworkError(text: "no connection to \(host), port \(port)")
}

func sendAll(_ descriptor: Int32, _ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
        let count = bytes[done...].withUnsafeBytes { send(descriptor, $0.baseAddress!, $0.count, 0) }
        if count <= 0 { throw NetworkError(text: "the connection takes no more") }
        done += count
    }
}

/// Repeats a step until it has a result, and moves bytes in between.
func until<Result>(_ descriptor: Int32, _ tunnel: SealTunnel, _ step: () throws -> Result?) throws -> Result {
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
        let result = try step()
        try sendAll(descriptor, tunnel.dataToSend())
        if let result { return result }
        let count = recv(descriptor, &buffer, buffer.count, 0)
        tunnel.receive(count > 0 ? Array(buffer[..<count]) : [])
    }
}

func get(_ host: String, _ port: String, _ keys: SealKeys, pin: Int) throws {
    let descriptor = try connectSocket(host, port)
    defer { close(descriptor) }
    let tunnel = try SealTunnel(keys: keys, pin: pin)
    _ = try until(descriptor, tunnel) { try tunnel.handshake() ? true : nil }
    var request = Array("GET / HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
    while !request.isEmpty {
        let count = try until(descriptor, tunnel) { () -> Int? in
            let wrote = try tunnel.write(request)
            return wrote > 0 ? wrote : nil
        }
        request.removeFirst(count)
    }
    while true {
        let data = try until(descriptor, tunnel) { try tunnel.read() }
        if data.isEmpty { break } // the authenticated end
        FileHandle.standardOutput.write(Data(data))
    }
    try tunnel.close()
    try? sendAll(descriptor, tunnel.dataToSend())
}

func run(_ arguments: [String]) throws {
    guard arguments.count >= 5 else {
        throw NetworkError(text: "usage: seal-get ADDRESS PORT KEY-FILE|- PINNED-KEY [NEXT-PINNED-KEY]")
    }
    var identity: [UInt8]?
    if arguments[3] != "-" {
        let line = try String(contentsOfFile: arguments[3], encoding: .ascii).split(separator: "\n").first.map(String.init)
        identity = line.flatMap { Data(base64Encoded: $0) }.map { Array($0) } ?? []
    }
    let keys = try SealKeys(identity: identity, pins: Array(arguments[4...]))
    for pin in 0..<keys.pinCount {
        do {
            return try get(arguments[1], arguments[2], keys, pin: pin)
        } catch let error as SealError where error.isRefusal && pin + 1 < keys.pinCount {
            continue // the next pinned key, once
        }
    }
}

signal(SIGPIPE, SIG_IGN)
do {
    try run(CommandLine.arguments)
} catch let error as NetworkError {
    FileHandle.standardError.write(Data((error.text + "\n").utf8))
    exit(1)
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
