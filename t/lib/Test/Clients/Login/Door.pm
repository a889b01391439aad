package Test::Clients::Login::Door;

# One of the doors of Test::Clients::Login, as a client and its log see it.

use strict;
use warnings;

use parent 'Test::Clients::Target';


sub new {
    my ($class, $site, $name, $i) = @_;

    my $server = $site->{server};
    my $self = bless {
        site => $site, server => $server, name => $name,
        tls => $name =~ /tls|cert/ ? 1 : 0, ca => $site->{ca}, mark => 0,
        port => $i ? $server->extra_port($i) : $server->port,
    }, $class;

    $self->mark;

    return $self;
}


sub site { return $_[0]{site} }
sub label { return $_[0]{name} }
sub port { return $_[0]{port} }


sub log_file {
    my ($self) = @_;

    return $self->{server}->dir . "/$self->{name}.log";
}


1;
