package Test::Clients::Login;

# One nginx with several doors to the same registry, which differ in how they
# ask who somebody is, and what each client has to go through at them.
#
#   my $site = Test::Clients::Login->new(qw( basic basic-tls cert bearer ));
#
#   by_password($_, \%client) for $site->door('basic'), ...;
#   by_certificate($site->door('cert'), \%client);
#   with_anonymous($site->door('bearer'), \%client);
#   after_changes($site->door('bearer'), \%client);
#
# A door is a Test::Clients::Target.
#
#   basic   passwords and access tokens       bearer   the same, and whoever
#   cert    certificates and nothing else              comes pulls public/**
#
# basic and bearer are plain, with "-tls" behind them they are not; cert is TLS.
# bearer-proxy-tls is bearer behind a proxy that ends TLS.
#
# A client is a hash of subs.  Each takes a door first and returns a command
# as run() takes it, options included:
#
#   login   ($door, $user, $file)  log in with the password in a file
#   logout  ($door)
#   push    ($door, $name, $n)     push the image $n (1 or 2) as $name
#   pull    ($door, $name)         fetch that, from the registry for certain
#   wrong   what it says of a wrong password, a pattern
#   nobody  what it says when it should log in first
#   anew    what it says when its login was good once
#   denied  what it says when it may not
#   blind   true: a login is only written down, and felt at the next command

use strict;
use warnings;

use Exporter qw( import );
use Test::Clients;
use Test::Clients::Image;
use Test::Clients::Login::Door;
use Test::Clients::Target;
use Test::More ();
use Test::Registry ();

use constant {
    BY_PASSWORD => 17,
    BY_CERTIFICATE => 5,
    WITH_ANONYMOUS => 13,
    AFTER_CHANGES => 9,
};

our @EXPORT = qw(
    by_password by_certificate with_anonymous after_changes two_images
    BY_PASSWORD BY_CERTIFICATE WITH_ANONYMOUS AFTER_CHANGES
);

# with what shells, colons and JSON could trip over
my %password = (
    alice => 'al: "ice" $1 %41',
    reader => 'reader',
);

my $rules = <<'END';
registry_allow alice   pull,push,update,list team/** public/**;
registry_allow reader  pull,list             team/** public/**;
registry_allow mover   pull                  team/**;
registry_allow machine pull,push,list        team/** public/**;
END


sub new {
    my ($class, @doors) = @_;

    my $dir = Test::Clients::tempdir('site');
    my $self = bless { dir => $dir, doors => {} }, $class;
    my %cert = Test::Clients::Target::certificate($dir);

    $self->{ca} = $cert{ca};
    $self->_users;

    my $i = 0;
    my $body = join '', map { _server($dir, $_, $i++, %cert) } @doors;

    $self->{server} = Test::Registry->new(workers => 2, ports => $i - 1,
        body => <<"END")->run;
map \$ssl_client_s_dn \$certified {
    "~^CN=(?<cn>[a-z0-9-]+)\$" \$cn;
}

$body
END

    Test::Clients::at_exit(sub { $self->{server}->stop });

    $i = 0;
    for my $name (@doors) {
        $self->{doors}{$name} = Test::Clients::Login::Door->new($self, $name,
            $i++);
    }

    return $self;
}


sub door {
    my ($self, $name) = @_;

    return $self->{doors}{$name} // die "there is no door $name\n";
}


sub finish {
    my ($self) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $self->{server}->finish;

    return;
}


# The files of somebody's password, and of a wrong one.

sub password { return "$_[0]{dir}/$_[1].password" }
sub wrong { return "$_[0]{dir}/wrong.password" }


# Certificate and key of "machine", whom the door cert knows.

sub client_cert { return ("$_[0]{dir}/machine.crt", "$_[0]{dir}/machine.key") }


sub _users {
    my ($self) = @_;

    my $dir = $self->{dir};

    for my $user (sort keys %password) {
        my $file = spew($self->password($user), $password{$user});
        _registryctl({ stdin => $file }, 'user', 'add', '--stdin',
            '--cost', 5, "$dir/htpasswd", $user);
    }

    my $secret = _registryctl({}, 'token', 'create', "$dir/tokens", 'robot',
        '--expires', '1d', '--allow', 'pull,push:team/**');
    spew($self->password('robot'), $secret =~ s/\s+\z//r);
    spew($self->wrong, 'not the password');

    Test::Clients::Target::client_certificate($dir, 'machine');

    return;
}


sub _registryctl {
    my ($opt, @args) = @_;

    my $r = run($opt, need(1, 'registryctl'), @args);
    die "registryctl @args: $r->{err}" if $r->{rc};

    return $r->{out};
}


sub _server {
    my ($dir, $name, $i, %cert) = @_;

    my $tls = $name =~ /tls|cert/;
    my $port = $i ? "%%PORT$i%%" : '%%PORT%%';
    my $how = $tls ? ' ssl' : '';
    my $listen = join '', map { "listen $_:$port$how;\n" }
        '127.0.0.1', Test::Clients::ADDRESS();
    my $ssl = $tls ? "ssl_certificate $cert{cert};\n"
        . "ssl_certificate_key $cert{key};\n" : '';
    my $who = "registry_htpasswd 'Images' $dir/htpasswd;\n"
        . "registry_access_tokens $dir/tokens;\n";

    if ($name eq 'cert') {
        $ssl .= "ssl_verify_client on;\nssl_client_certificate $cert{ca};\n";
        $who = "registry_user \$certified;\n";
    }

    $who .= "registry_allow anonymous pull public/**;\n"
        if $name =~ /^bearer/;

    my $front = "$listen\n$ssl\naccess_log %%DIR%%/$name.log;\n";
    my $proxy = '';

    if ($name =~ /proxy/) {
        $proxy = _proxy($name, $front);
        $front = "listen unix:%%DIR%%/$name.socket;\n";
        $who .= 'registry_token_server auto '
            . "realm=https://\$http_host/v2/_nginx/token;\n";
    }

    return $proxy . <<"END";
server {
    $front

    location /v2/ {
        registry %%ROOT%%;
        $who
        $rules
    }
}
END
}


# As in conf.examples/behind-proxy.conf.

sub _proxy {
    my ($name, $front) = @_;

    return <<"END";
server {
    $front
    client_max_body_size 0;

    location / {
        proxy_pass http://unix:%%DIR%%/$name.socket:;
        proxy_http_version 1.1;
        proxy_set_header Host \$http_host;
        proxy_request_buffering off;
        proxy_buffering off;
    }
}
END
}


# --- what a client goes through ----------------------------------------------

sub by_password {
    my ($door, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $l = $door->label;
    my $site = $door->site;

    run_fails("$l: no push without a login", $c->{nobody},
        $c->{push}->($door, 'team/app:1', 1));
    wrong_login("$l: login with a wrong password", $door, $c);

    run_ok("$l: login", $c->{login}->($door, 'alice',
        $site->password('alice')));
    run_ok("$l: push", $c->{push}->($door, 'team/app:1', 1));
    run_ok("$l: push over it", $c->{push}->($door, 'team/app:1', 2));
    run_ok("$l: pull", $c->{pull}->($door, 'team/app:1'));
    run_fails("$l: push where one may not", $c->{denied},
        $c->{push}->($door, 'other/app:1', 1));
    run_fails("$l: pull where one may not", $c->{denied},
        $c->{pull}->($door, 'other/app:1'));
    run_ok("$l: logout", $c->{logout}->($door));
    run_fails("$l: no pull after that", $c->{nobody},
        $c->{pull}->($door, 'team/app:1'));

    run_ok("$l: login of one who reads", $c->{login}->($door, 'reader',
        $site->password('reader')));
    run_ok("$l: he pulls", $c->{pull}->($door, 'team/app:1'));
    run_fails("$l: he may not push", $c->{denied},
        $c->{push}->($door, 'team/app:1', 1));

    run_ok("$l: login by access token", $c->{login}->($door, 'robot',
        $site->password('robot')));
    run_ok("$l: its push", $c->{push}->($door, 'team/app:2', 1));
    run_fails("$l: it may not move a tag", $c->{denied},
        $c->{push}->($door, 'team/app:1', 1));
    run_ok("$l: logout again", $c->{logout}->($door));

    return;
}


sub by_certificate {
    my ($door, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $l = $door->label;

    run_ok("$l: push", $c->{push}->($door, 'team/cert:1', 1));
    run_ok("$l: pull", $c->{pull}->($door, 'team/cert:1'));
    run_fails("$l: it may not move a tag", $c->{denied},
        $c->{push}->($door, 'team/cert:1', 2));
    run_fails("$l: push where it may not", $c->{denied},
        $c->{push}->($door, 'other/app:1', 1));
    run_fails("$l: without the certificate", qr/certificate|400/i,
        $c->{pull}->($door, 'team/cert:1', no_cert => 1));

    return;
}


# A password that changes and a token that is revoked, while a client that has
# logged in goes on. Both are made for this alone; by_password() goes first,
# for there has to be something to pull.

sub after_changes {
    my ($door, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $l = $door->label;
    my $site = $door->site;
    my ($htpasswd, $tokens) = map { "$site->{dir}/$_" } qw( htpasswd tokens );
    my @pull = ($door, 'team/app:1');

    my $file = spew($site->password('mover'), "first of $l");
    _registryctl({ stdin => $file }, 'user', 'add', '--stdin', '--cost', 5,
        $htpasswd, 'mover');
    run_ok("$l: login", $c->{login}->($door, 'mover', $file));
    run_ok("$l: pull", $c->{pull}->(@pull));

    spew($file, "second of $l");
    _registryctl({ stdin => $file }, 'user', 'passwd', '--stdin', '--cost', 5,
        $htpasswd, 'mover');
    run_fails("$l: the password has changed", $c->{anew}, $c->{pull}->(@pull));
    run_ok("$l: login with the new one", $c->{login}->($door, 'mover', $file));
    run_ok("$l: pull with it", $c->{pull}->(@pull));
    _registryctl({}, 'user', 'remove', $htpasswd, 'mover');

    spew($file, _registryctl({}, 'token', 'create', $tokens, 'passing',
        '--allow', 'pull:team/**') =~ s/\s+\z//r);
    run_ok("$l: login by access token", $c->{login}->($door, 'passing',
        $file));
    run_ok("$l: pull with it", $c->{pull}->(@pull));
    _registryctl({}, 'token', 'revoke', $tokens, 'passing');
    run_fails("$l: it is revoked", $c->{anew}, $c->{pull}->(@pull));
    run_ok("$l: logout", $c->{logout}->($door));

    return;
}


# One assertion: a wrong password is noticed, and in which words.

sub wrong_login {
    my ($name, $door, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @login = $c->{login}->($door, 'alice', $door->site->wrong);

    if ($c->{blind}) {
        run(@login);
        @login = $c->{pull}->($door, 'team/app:1');
    }

    run_fails($name, $c->{wrong}, @login);

    return;
}


# "Anybody pulls public/**, users push."

sub with_anonymous {
    my ($door, $c) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $l = $door->label;
    my $site = $door->site;
    my $refused = qr/$c->{denied}|$c->{nobody}/;

    $door->mark;
    run_ok("$l: login", $c->{login}->($door, 'alice',
        $site->password('alice')));
    run_ok("$l: push", $c->{push}->($door, 'public/app:1', 1));
    run_ok("$l: push of what is not public", $c->{push}->($door, 'team/app:9',
        2));
    run_ok("$l: logout", $c->{logout}->($door));

    run_ok("$l: anybody pulls", $c->{pull}->($door, 'public/app:1'));
    run_fails("$l: not everything", $refused,
        $c->{pull}->($door, 'team/app:9'));
    run_fails("$l: not everybody pushes", $refused,
        $c->{push}->($door, 'public/app:2', 1));
    Test::More::cmp_ok($door->count('GET', qr{^/v2/_nginx/token}, 200)
                       + $door->count('POST', qr{^/v2/_nginx/token}, 200),
                       '>', 0, "$l: with tokens of the registry's own")
        or Test::More::diag($door->as_text);
    wrong_login("$l: a wrong password is no anonymity", $door, $c);

    run_ok("$l: login by access token", $c->{login}->($door, 'robot',
        $site->password('robot')));
    run_ok("$l: its push", $c->{push}->($door, 'team/app:8', 2));
    run_fails("$l: where it may not", $refused,
        $c->{push}->($door, 'public/app:2', 1));
    run_ok("$l: logout again", $c->{logout}->($door));

    return;
}


# Two small images as layouts: { 1 => { dir, layout, desc }, 2 => ... }

sub two_images {
    my ($dir) = @_;

    my %made;

    for my $n (1, 2) {
        my $layout = Test::Clients::Image->new("$dir/$n");
        my $layer = $layout->layer({ file => "this is $n\n" });
        my $image = $layout->image([ $layer ]);
        $made{$n} = {
            dir => "$dir/$n", layout => $layout,
            desc => $layout->tag($image, 'latest'),
        };
    }

    return \%made;
}


1;
