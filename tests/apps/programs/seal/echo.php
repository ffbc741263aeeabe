<?php
// PHP's streams: `php echo.php server PORT` serves one connection after the other, echoes it and says bye at its end;
// `client PORT` sends lines and a megabyte, half-closes, and checks what comes back. For the sealed tests.
[, $mode, $port] = $argv;
$marker = "this-is-readable-on-the-wire\n";

if ($mode === "server") {
    $listener = stream_socket_server("tcp://127.0.0.1:$port") or exit(1);
    while (true) {
        $connection = @stream_socket_accept($listener, 3600);
        if ($connection) {
            while (!feof($connection)) {
                fwrite($connection, (string) fread($connection, 8192));
            }
            fwrite($connection, "bye\n");
            fclose($connection);
        }
    }
}
$connection = stream_socket_client("tcp://127.0.0.1:$port", $number, $error, 10) or exit($error);
for ($number = 0; $number < 20; $number++) {
    fwrite($connection, "$number $marker");
    if (fgets($connection) !== "$number $marker") {
        exit("line $number\n");
    }
}
$sent = str_repeat($marker, 40000);
$got = "";
stream_set_blocking($connection, false);
$at = 0;
while (!feof($connection)) {
    $read = [$connection];
    $write = $at < strlen($sent) ? [$connection] : null;
    $except = null;
    if (!stream_select($read, $write, $except, 20)) {
        exit("nothing for 20 seconds, at $at\n");
    }
    if ($write) {
        $at += (int) fwrite($connection, substr($sent, $at, 65536));
        if ($at === strlen($sent)) {
            stream_socket_shutdown($connection, STREAM_SHUT_WR);
        }
    }
    if ($read) {
        $got .= fread($connection, 65536);
    }
}
echo $got === $sent . "bye\n" ? "ok\n" : "expected the megabyte back, found " . strlen($got) . " bytes\n";
