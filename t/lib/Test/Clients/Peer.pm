package Test::Clients::Peer;

# distribution as the suites of clients need it: behind TLS if wanted, with an
# access log, and able to take over an upload that another registry began.
#
#   my $p = Test::Clients::Peer->new(binary => $path, root => $dir)->run;

use strict;
use warnings;

use parent 'Test::Registry::Peer';

use Digest::SHA ();
use JSON::PP ();
use MIME::Base64 ();
use Test::Registry::Process;

# The key of the tokens in upload locations; ours to know, see state().
use constant SECRET => 'a secret of the tests';


# Besides what Test::Registry::Peer takes:
#
# address        to listen on (default 127.0.0.1)
# cert, key, ca  files; with them it speaks TLS and nothing else

sub new {
    my ($class, %o) = @_;

    my $self = $class->SUPER::new(address => '127.0.0.1', %o);
    open(my $fh, '>>', $self->access_log) or die "log: $!\n";

    return $self;
}


sub ca { return $_[0]{ca} }
sub tls_port { return $_[0]{port} }
sub access_log { return "$_[0]{dir}/log" }


sub connect {
    my ($self, %o) = @_;

    $o{tls} = 1 if $self->{cert};

    return $self->SUPER::connect(%o);
}


sub _config {
    my ($self) = @_;

    my $path = "$self->{dir}/config.yml";
    my $tls = !$self->{cert} ? ''
        : "  tls: {certificate: $self->{cert}, key: $self->{key}}\n";

    open(my $fh, '>', $path) or die "$path: $!\n";
    print {$fh} <<"END" . $tls;
version: 0.1
log: {level: error, formatter: text}
storage:
  filesystem: {rootdirectory: $self->{root}}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http:
  addr: $self->{address}:$self->{port}
  secret: '${\ SECRET}'
  relativeurls: true
END
    close($fh) or die "$path: $!\n";

    return $path;
}


sub version {
    my ($self) = @_;

    my (undef, $text) = run_command(20, $self->{binary}, '--version');

    return $text =~ /\bv?(\d+\.\d+\.\d+)/ ? $1 : '0';
}


sub major {
    my ($self) = @_;

    return (split(/\./, $self->version))[0];
}


# distribution wants a signed statement in the location of an upload. This is
# one about a session that it did not open itself.

sub state {
    my ($self, $repo, $id, $offset, $started) = @_;

    my $text = JSON::PP->new->canonical->encode({
        Name => $repo, UUID => $id, Offset => 0 + $offset,
        StartedAt => $started,
    });

    (my $token = MIME::Base64::encode_base64(
        Digest::SHA::hmac_sha256($text, SECRET) . $text, '')) =~ tr{+/}{-_};

    return $token;
}


1;
