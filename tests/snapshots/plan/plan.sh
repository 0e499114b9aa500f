#!/bin/sh
# The plan of `mini` as a script: QEMU 1:10.0.2+ds-1 for x86_64-softmmu.
# Usage: [SOURCE=patched-tree] [BUILD=empty-directory] [PYTHON=python-with-meson] sh this-file
# Every line below is also in `quench plan --format json`, with its reason.
set -eu
umask 022
SOURCE=$(realpath -m "${SOURCE:-/trees/mini}")
BUILD=$(realpath -m "${BUILD:-$PWD/mini-build}")
PYTHON=${PYTHON:-/usr/bin/python3}
MESON=${PYTHON%/*}/meson
HOME_DIR=$BUILD/home
RELATIVE=$(realpath -m --relative-to="$BUILD" "$SOURCE")
mkdir -p "$BUILD" "$HOME_DIR"

# The source: the small tree; tree key 1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f
#   2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e  mini.tar.xz
if ! [ -f "$SOURCE/configure" ]; then
  echo 'no QEMU tree at '"$SOURCE"': set SOURCE to the tree at qemu' >&2
  exit 4
fi

# What Kconfig is asked for
cat > "$SOURCE/configs/devices/x86_64-softmmu/quench-0cff4ceef2e09b88.mak" <<'EOF_QUENCH'
# mini: written by quench
CONFIG_E1000E_PCI_EXPRESS=y
CONFIG_IGB_PCI_EXPRESS=y
CONFIG_KEYRING=y
CONFIG_NVDIMM_BARE=y
CONFIG_Q35=y
CONFIG_SGX_EPC=y
CONFIG_SSI=y
CONFIG_SSI_M25P80=y
CONFIG_VHOST_USER_FS=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_PCI=y
EOF_QUENCH

# Configure: every option is stated, none is left to detection
# configure QEMU
cd "$BUILD"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  "$SOURCE/configure" \
  --target-list=x86_64-softmmu \
  --without-default-features \
  --without-default-devices \
  --with-devices-x86_64=quench-0cff4ceef2e09b88 \
  "--python=$PYTHON" \
  --cc=gcc \
  --prefix=/usr/lib/qemu-mini \
  "--with-pkgversion=quench mini" \
  --disable-download \
  --firmwarepath=/usr/lib/qemu-mini/share/qemu:/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu:/usr/share/seavgabios:/usr/share/ipxe/qemu \
  --audio-drv-list=alsa \
  --block-drv-rw-whitelist=raw,file,host_device \
  --block-drv-ro-whitelist=http \
  --enable-alsa \
  --disable-attr \
  --disable-cfi \
  --enable-coroutine-pool \
  --enable-curl \
  --enable-debug-info \
  --disable-fdt \
  --enable-kvm \
  --enable-pie \
  --enable-pixman \
  --enable-seccomp \
  --enable-slirp \
  --enable-spice \
  --enable-spice-protocol \
  --enable-stack-protector \
  --disable-tcg \
  --enable-vhost-kernel \
  --enable-vhost-net \
  --enable-vhost-user \
  --disable-virtfs \
  --enable-vnc \
  --disable-vnc-sasl \
  --disable-xen \
  "--extra-cflags=-O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection -fcf-protection=full -fstrict-flex-arrays=3 -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr -fno-delete-null-pointer-checks -Wformat -Werror=format-security -g -ffile-prefix-map=$BUILD=/usr/src/qemu/build -ffile-prefix-map=$SOURCE=/usr/src/qemu -ffile-prefix-map=$RELATIVE=/usr/src/qemu" \
  "--extra-ldflags=-Wl,-z,relro -Wl,-z,now -Wl,-z,nodlopen -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed -Wl,--build-id=sha1 -Xlinker --package-metadata={\"architecture\":\"x86_64\",\"name\":\"qemu-mini\",\"source\":\"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f\",\"type\":\"quench\",\"version\":\"10.0.2\"}"

# Compile qemu-system-x86_64: only the emulator and the option ROMs it loads
mkdir -p "$(dirname "$BUILD/roms/config.mak")"
cat > "$BUILD/roms/config.mak" <<EOF_QUENCH
TOPSRC_DIR=$SOURCE
CC=gcc
CCAS=gcc
OBJCOPY=objcopy
PYTHON=python3 -B
EXTRA_CFLAGS=-m32
EOF_QUENCH
# compile QEMU
cd "$BUILD"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  NINJA_STATUS="[%f/%t] " \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  ninja \
  qemu-system-x86_64
# build the option ROMs
cd "$BUILD/roms"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  make \
  -f \
  "$SOURCE/pc-bios/optionrom/Makefile" \
  kvmvapic.bin \
  linuxboot_dma.bin \
  multiboot_dma.bin \
  pvh.bin

# Strip and stage: stripped once, so that every package holds the same bytes
# make room for the stripped emulator
cd "$BUILD"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  mkdir \
  -p \
  stripped
# set the debug information apart
cd "$BUILD"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  objcopy \
  --only-keep-debug \
  --compress-debug-sections=zlib \
  qemu-system-x86_64 \
  stripped/qemu-system-x86_64.debug
# strip the emulator
cd "$BUILD"
env -i \
  HOME="$HOME_DIR" \
  LC_ALL=C.UTF-8 \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONHASHSEED=0 \
  SOURCE_DATE_EPOCH=1750000000 \
  TZ=UTC \
  strip \
  --strip-all \
  --remove-section=.comment \
  -o \
  stripped/qemu-system-x86_64 \
  qemu-system-x86_64

sha256sum "$BUILD/qemu-system-x86_64" "$BUILD/stripped/qemu-system-x86_64"
