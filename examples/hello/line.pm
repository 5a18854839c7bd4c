# One line in, one line out over TCP: what the three programs speak with each other.
package line;
use strict;
use warnings;
use IO::Socket::INET;

# Answers the line that each client of `port` sends with what `answer` makes of it; ends on SIGTERM.
# With `parallel`, each client has a process: a browser that connects and says nothing holds nobody up.
sub serve {
    my ($port, $answer, $parallel) = @_;
    local $SIG{CHLD} = 'IGNORE';    # the kernel reaps them
    local $SIG{TERM} = sub { exit 0 };
    local $SIG{PIPE} = 'IGNORE';
    local $| = 1;
    my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1)
        or die "cannot listen on port $port: $@\n";
    print "listening on port $port\n";
    while (1) {
        my $client = $listener->accept or next;    # a signal interrupts it
        next if $parallel and fork;
        my $question = <$client>;
        if (defined $question) {
            $question =~ s/\r?\n\z//;
            print $client $answer->($question, $client), "\n";
        }
        exit 0 if $parallel;
    }
}

# Sends one line to `address` (`host:port`) and returns the first line that comes back.
sub ask {
    my ($address, $question) = @_;
    my $server = IO::Socket::INET->new(PeerAddr => $address, Timeout => 5)
        or die "cannot reach $address: $@\n";
    print $server "$question\n";
    my $reply = <$server>;
    die "$address said nothing\n" unless defined $reply;
    $reply =~ s/\r?\n\z//;
    return $reply;
}

1;
