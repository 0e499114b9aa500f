#define X86_CPU_TYPE_SUFFIX "-x86_64-cpu"
#define X86_CPU_TYPE_NAME(name) (name X86_CPU_TYPE_SUFFIX)
#define TYPE_X86_CPU "x86_64-cpu"
