# Perl's IO::Socket: `perl echo.pl server PORT` forks for every connection, echoes it through PerlIO and says bye at its end;
# `client PORT` sends lines and a megabyte, half-closes, and checks what comes back. For the sealed tests.
use strict;
use warnings;
use IO::Socket::INET;

my ($mode, $port) = @ARGV;
my $marker = "this-is-readable-on-the-wire\n";

if ($mode eq "server") {
    my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 10, ReuseAddr => 1) or die $@;
    $SIG{CHLD} = "IGNORE";
    $SIG{TERM} = sub { exit 0 };
    while (1) {
        my $connection = $listener->accept or next;
        if (!defined(my $child = fork)) {
            die "fork: $!";
        } elsif ($child == 0) {
            $SIG{TERM} = "DEFAULT";
            close $listener;
            while (my $line = <$connection>) {
                print $connection $line;
            }
            print $connection "bye\n";
            exit 0;
        }
        close $connection;
    }
}
my $connection = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die "connect: $@";
for my $number (1 .. 20) {
    print $connection "$number $marker";
    my $line = <$connection>;
    die "line $number\n" if $line ne "$number $marker";
}
my $sent = $marker x 40000;
my $child = fork;
if ($child == 0) {    # another process writes while this one reads
    print $connection $sent;
    $connection->flush;
    shutdown $connection, 1;
    exit 0;
}
my $got = join "", <$connection>;
waitpid $child, 0;
die "expected the megabyte back, found " . length($got) . " bytes\n" if $got ne $sent . "bye\n";
print "ok\n";
