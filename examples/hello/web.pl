# The page: HTTP for a browser; what it says comes from the worker.
use strict;
use warnings;
use lib '.';
use line;

my $worker = $ENV{WORKER} // 'worker:7001';

sub response {
    my ($status, $text) = @_;
    my $length = 1 + length $text;    # and the newline that ends every answer
    return join "\r\n", "HTTP/1.1 $status", 'Content-Type: text/plain; charset=utf-8',
        "Content-Length: $length", 'Connection: close', '', $text;
}

line::serve(8080, sub {
    my ($request, $browser) = @_;
    while (defined(my $header = <$browser>)) {    # read up to the empty line, or the client sees a reset
        last if $header =~ /\A\r?\n\z/;
    }
    return response('200 OK', 'healthy') if $request =~ m{\AGET /health };
    return response('404 Not Found', 'there is only /') unless $request =~ m{\AGET / };
    my $greeting = eval { line::ask($worker, 'GREET') };
    return response('502 Bad Gateway', "the worker did not answer: $@") unless defined $greeting;
    print "$greeting\n";
    return response('200 OK', $greeting);
}, 'parallel');
