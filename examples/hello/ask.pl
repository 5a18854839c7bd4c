# perl ask.pl HOST:PORT LINE: prints the first line of the answer; the health checks use it.
use strict;
use warnings;
use lib '.';
use line;

my ($address, $question) = @ARGV;
die "usage: perl ask.pl HOST:PORT LINE\n" unless defined $question;
$question .= "\r\n" if $question =~ m{ HTTP/};    # the empty line that ends a request
my $reply = line::ask($address, $question);
print "$reply\n";
exit($reply =~ /\A(?:ERROR|HTTP\S+ [45])/ ? 1 : 0);
