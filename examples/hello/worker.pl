# The worker: counts a visit in the store and turns the number into a sentence.
use strict;
use warnings;
use lib '.';
use line;

my $store = $ENV{STORE} // 'store:7000';

sub ordinal {
    my ($n) = @_;
    my %ends = (1 => 'st', 2 => 'nd', 3 => 'rd');
    my $teen = int($n / 10) % 10 == 1;
    return $n . ($teen ? 'th' : $ends{ $n % 10 } // 'th');
}

line::serve(7001, sub {
    my ($question) = @_;
    return 'PONG' if $question eq 'PING';
    return 'ERROR: PING or GREET' unless $question eq 'GREET';
    my $visits = line::ask($store, 'INCR visits');
    print "visit $visits\n";
    return 'Hello! You are the ' . ordinal($visits) . ' visitor.';
});
