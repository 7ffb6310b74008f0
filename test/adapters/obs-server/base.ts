/** What builds are made in: 66 packages of Debian 12, and how obs-build is to put them together. */
export const BASE_PACKAGES = [
  'base-files base-passwd bash coreutils dash debconf debianutils diffutils dpkg findutils gcc-12-base grep gzip',
  'hostname init-system-helpers libacl1 libattr1 libaudit-common libaudit1 libblkid1 libbz2-1.0 libc-bin libc6',
  'libcap-ng0 libcap2 libcrypt1 libdb5.3 libdebconfclient0 libgcc-s1 libgcrypt20 libgmp10 libgpg-error0 liblz4-1',
  'liblzma5 libmd0 libmount1 libpam-modules-bin libpam-modules libpam-runtime libpam0g libpcre2-8-0 libselinux1',
  'libsemanage-common libsemanage2 libsepol2 libsmartcols1 libstdc++6 libsystemd0 libtinfo6 libudev1 libuuid1',
  'libzstd1 login mawk mount ncurses-base ncurses-bin passwd perl-base sed tar usr-is-merged util-linux-extra',
  'util-linux xz-utils zlib1g',
]
  .join(' ')
  .split(' ');

/** Each `Ignore` works around 2.9.4's comparing of Debian's versions. */
export const BASE_CONFIG = `Repotype: debian
Type: simpleimage
Preinstall: dash bash sed grep coreutils debianutils libc6 libtinfo6 libacl1 libattr1
Preinstall: libpcre2-8-0 diffutils tar dpkg libc-bin gzip base-files base-passwd libselinux1 libsepol2
Preinstall: libgcc-s1 gcc-12-base util-linux debconf findutils liblzma5 xz-utils libstdc++6 passwd login
Preinstall: zlib1g libbz2-1.0 libmd0 libzstd1 perl-base mawk libgmp10 libcrypt1
Preinstall: libmount1 libblkid1 libuuid1 libudev1 libsmartcols1 libcap2 libcap-ng0 libpam0g libpam-modules libpam-modules-bin
Preinstall: libpam-runtime libaudit1 libaudit-common libdb5.3 libsystemd0 libgcrypt20 libgpg-error0 liblz4-1 libsemanage2 libsemanage-common
Preinstall: mount hostname ncurses-base ncurses-bin libsepol2 libdebconfclient0
Order: base-passwd:base-files
Prefer: mawk
Ignore: libc-bin:libc6
Ignore: util-linux:util-linux-extra
`;

/** The server itself, what its Perl needs, and what a worker calls. */
export const SERVER_PACKAGES = [
  'obs-server obs-worker obs-build obs-productconverter reprepro libbssolv-perl libclone-perl libcommon-sense-perl',
  'libfile-sync-perl libjson-xs-perl libnet-ssleay-perl libsocket-msghdr-perl libtypes-serialiser-perl',
  'libxml-parser-perl libxml-simple-perl libxml-structured-perl libxml-namespacesupport-perl libxml-sax-base-perl',
  'libxml-sax-perl libwww-perl liburi-perl perl-openssl-defaults libsolv1 libsolvext1 librpm9 librpmio9',
  'liblua5.3-0 libpopt0 rpm rpm-common cpio libarchive-tools',
]
  .join(' ')
  .split(' ');

/** The bus that OBS publishes on, and what it needs of Erlang. */
export const RABBIT_PACKAGES = [
  'rabbitmq-server',
  ...[
    'asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools',
    'snmp ssl syntax-tools tftp tools xmerl',
  ]
    .join(' ')
    .split(' ')
    .map((name) => `erlang-${name}`),
];
