# Ruby's socket library: `ruby echo.rb server PORT` has a thread for every connection, echoes it and says bye at its end;
# `client PORT` sends lines and a megabyte, half-closes, and checks what comes back. For the sealed tests.
require "socket"

mode, port = ARGV[0], ARGV[1].to_i
marker = "this-is-readable-on-the-wire\n"

if mode == "server"
  server = TCPServer.new("127.0.0.1", port)
  trap("TERM") { exit! 0 }
  loop do
    Thread.new(server.accept) do |connection|
      IO.copy_stream(connection, connection)
      connection.write("bye\n")
      connection.close
    end
  end
end
connection = TCPSocket.new("127.0.0.1", port)
20.times do |number|
  connection.write("#{number} #{marker}")
  abort "line #{number}" if connection.gets != "#{number} #{marker}"
end
sent = marker * 40_000
writer = Thread.new do
  connection.write(sent)
  connection.close_write
end
got = connection.read
writer.join
abort "expected the megabyte back, found #{got.length} bytes" if got != sent + "bye\n"
puts "ok"
