# The store: a counter a name, each kept in a file on the volume.
use strict;
use warnings;
use lib '.';
use line;

my $folder = '/data';

sub value {
    my ($name) = @_;
    open my $file, '<', "$folder/$name" or return 0;
    return <$file> // 0;
}

# A crash between the two steps leaves the old count, never half a file.
sub keep {
    my ($name, $count) = @_;
    open my $file, '>', "$folder/.$name.new" or die "cannot write $folder/.$name.new: $!\n";
    print $file $count;
    close $file or die "cannot write $folder/.$name.new: $!\n";
    rename "$folder/.$name.new", "$folder/$name" or die "cannot write $folder/$name: $!\n";
    return $count;
}

line::serve(7000, sub {
    my ($question) = @_;
    return 'PONG' if $question eq 'PING';
    return value($1) if $question =~ /\AGET ([a-z]+)\z/;
    return keep($1, value($1) + 1) if $question =~ /\AINCR ([a-z]+)\z/;
    return 'ERROR: PING, GET name or INCR name';
});
