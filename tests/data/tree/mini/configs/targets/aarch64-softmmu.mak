TARGET_ARCH=aarch64
TARGET_BASE_ARCH=arm
# needed by boot.c
TARGET_NEED_FDT=y
