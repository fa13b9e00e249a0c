/** Numbers of the file interface with Linux's values: linux/stat.h, bits/fcntl-linux.h, unistd.h, linux/limits.h. */

/** Kinds of inodes, in the upper bits of `st_mode` (inode(7)). */
export const S_IFMT = 0o170000
export const S_IFSOCK = 0o140000
export const S_IFLNK = 0o120000
export const S_IFREG = 0o100000
export const S_IFBLK = 0o060000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFIFO = 0o010000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000
/** What chmod(2) may set. */
export const S_IALLUGO = 0o7777

/** What access(2) asks for, and what permission checks take. */
export const F_OK = 0
export const X_OK = 1
export const W_OK = 2
export const R_OK = 4

/** Bytes of a path with its NUL, and of one name in it. */
export const PATH_MAX = 4096
export const NAME_MAX = 255
/** Symbolic links followed in one path (MAXSYMLINKS). */
export const MAX_SYMLINKS = 40

/** lseek(2). */
export const SEEK_SET = 0
export const SEEK_CUR = 1
export const SEEK_END = 2
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
