Programs in C++ that read a number and are to print the answer, and do not know it.

### 55 cpp reads the answer's file: wrong_answer
#include <fstream>
#include <iostream>
int main() { std::ifstream f("{SECRET}"); std::string s; f >> s; std::cout << s; }

### 55 cpp includes the answer's file: compile_error
#include <iostream>
const char* s =
#include "{SECRET}"
;
int main() { std::cout << s; }

### 55 cpp includes the users of the machine: compile_error
#include "/etc/shadow"
int main() {}

### 55 cpp puts the answer's file into the program as assembly: compile_error
#include <iostream>
asm("secret: .incbin \"{SECRET}\"\n.byte 0\n");
extern "C" const char secret[];
int main() { std::cout << secret; }

### 55 cpp templates without end: compile_error
template <int N> struct A { static const int value = A<N + 1>::value + A<N + 2>::value; };
int main() { return A<0>::value; }

### 55 cpp macros that double: compile_error
#define A(x) x x x x x x x x x x x x x x x x
#define B(x) A(A(A(A(x))))
int main() { B(B(B(int a = 1;))) }

### 55 cpp a program of more than 64 MiB: compile_error
char a[100 << 20] = {1};
int main() { return a[5]; }

### 26 cpp forks: wrong_answer
#include <unistd.h>
int main() { while (fork() == 0) {} }

### 26 cpp vfork and clone by number: wrong_answer
#include <sys/syscall.h>
#include <unistd.h>
int main() { syscall(SYS_vfork); syscall(SYS_clone, 17, 0, 0, 0, 0); syscall(SYS_clone3, 0, 0); }

### 27 cpp threads without end: wrong_answer crash time_limit memory_limit
#include <thread>
#include <vector>
#include <unistd.h>
int main() { std::vector<std::thread> v; try { for (;;) v.emplace_back([] { sleep(9); }); } catch (...) {} _exit(0); }

### 38 cpp traces its parent: security_violation
#include <sys/ptrace.h>
#include <unistd.h>
int main() { ptrace(PTRACE_ATTACH, getppid(), 0, 0); }

### 38 cpp reads another's memory: security_violation
#include <sys/uio.h>
int main() { char b[8]; iovec a{b, 8}, c{(void*)4096, 8}; process_vm_readv({PID}, &a, 1, &c, 1, 0); }

### 37 cpp kills everybody: wrong_answer
#include <csignal>
#include <unistd.h>
int main() { kill({PID}, SIGKILL); kill(getppid(), SIGKILL); kill(-1, SIGKILL); killpg(0, SIGKILL); }

### 42 cpp calls home: wrong_answer
#include <arpa/inet.h>
#include <iostream>
#include <sys/socket.h>
int main() { int s = socket(AF_INET, SOCK_STREAM, 0); sockaddr_in a{AF_INET, htons({PORT}), {htonl(INADDR_LOOPBACK)}, {}}; if (connect(s, (sockaddr*)&a, sizeof a) == 0) std::cout << "ESCAPED"; }

### 40 cpp leaves files: wrong_answer
#include <cstdio>
#include <initializer_list>
int main() { for (auto p : {"/tmp/codescaler-attack", "/dev/shm/codescaler-attack", "codescaler-attack", "/build/codescaler-attack"}) if (fopen(p, "w")) puts("ESCAPED"); }

### 41 cpp mounts, enters and maps: security_violation
#include <sched.h>
#include <sys/mount.h>
int main() { unshare(CLONE_NEWUSER); mount("none", "/build", "tmpfs", 0, ""); }

### 41 cpp system calls of 32 bits: wrong_answer security_violation crash
int main() { asm volatile("int $0x80" ::"a"(20)); asm volatile("int $0x80" ::"a"(2)); }

### 41 cpp starts a shell by every way: wrong_answer
#include <cstdlib>
#include <sys/syscall.h>
#include <unistd.h>
int main() { char* a[] = {(char*)"sh", (char*)"-c", (char*)"echo ESCAPED", 0}; execv("/bin/sh", a); syscall(SYS_execveat, 100, "/bin/sh", a, a + 3, 0x1000); syscall(SYS_execveat, 100, 0x10000, a, a + 3, 0x1000); system("echo ESCAPED"); }

### 24 cpp memory: memory_limit
char* volatile p;
int main() { for (;;) p = new char[1 << 26]; }

### 22 cpp output: output_limit
#include <cstdio>
int main() { for (;;) puts("PASSED"); }

### 33 cpp recursion: crash
int f(volatile int x) { return f(x + 1) + x; }
int main() { return f(0); }

### 30 cpp ignores signals and loops: time_limit
#include <csignal>
int main() { for (int s = 1; s < 65; s++) signal(s, SIG_IGN); for (volatile int i = 0;; i = i + 1) {} }

### 8 cpp says that all is well and leaves: wrong_answer
#include <cstdio>
#include <unistd.h>
int main() { puts("PASSED"); fflush(stdout); _exit(0); }
