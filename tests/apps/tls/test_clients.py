"""Small clients of several languages, each limited to TLS 1.2: Perl, Ruby, PHP, ApacheBench.

For a program that is not installed, one case is skipped.
"""

from lib import certs
from lib.legacy import LegacyClient, output_of, prove_client
from lib.process import find
from lib.tap import Tap

PERL = """
use IO::Socket::SSL;
my $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $ARGV[0], SSL_version => 'TLSv1_2',
    SSL_hostname => 'localhost', SSL_cipher_list => 'ALL:@SECLEVEL=0', SSL_verify_mode => SSL_VERIFY_NONE)
    or die "connect: $SSL_ERROR";
print $s "GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n";
local $/; my $all = <$s>; $all =~ s/^.*?\\r\\n\\r\\n//s; print $all;
"""
RUBY = """
require 'net/http'
http = Net::HTTP.new('localhost', ARGV[0].to_i)
http.use_ssl = true
http.max_version = OpenSSL::SSL::TLS1_2_VERSION
http.ciphers = 'ALL:@SECLEVEL=0'
http.ca_file = ARGV[1]
print http.get('/').body
"""
PHP = """
$context = stream_context_create(['ssl' => ['crypto_method' => STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT,
    'ciphers' => 'ALL:@SECLEVEL=0', 'verify_peer' => false, 'verify_peer_name' => false]]);
$body = file_get_contents("https://localhost:{$argv[1]}/", false, $context);
if ($body === false) exit(1);
echo $body;
"""


def main():
    tap = Tap()
    ca = certs.authority().cert
    clients = [
        LegacyClient("perl IO::Socket::SSL", lambda port: ["perl", "-e", PERL, port], output_of, needs=["perl"]),
        LegacyClient("ruby net/http", lambda port: ["ruby", "-e", RUBY, port, ca], output_of, needs=["ruby"]),
        LegacyClient("php streams", lambda port: ["php", "-r", PHP, port], output_of, needs=["php"]),
    ]
    for client in clients:
        if find(*client.needs) is None:
            tap.result(True, f"{client.name} wrapped uses TLS 1.3", skip=f"{client.needs[0]} is not installed")
        else:
            prove_client(tap, client)
    tap.finish()


main()
