package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFolder creates the data folder where it is missing, closes it to others,
// and takes it for this process until the file is closed.
func lockFolder(dir string, log *slog.Logger) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := restrict(dir); err != nil {
		log.Warn("the data folder is open to others", "dir", dir, "err", err)
	}
	f, err := os.Open(dir) // the folder itself: a lock file could be removed
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by another process", dir)
		}
		return nil, fmt.Errorf("data folder: lock: %w", err)
	}
	return f, nil
}

// restrict takes the folder from group and others. A mounted folder may belong
// to another user, who then has decided about it.
func restrict(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil || fi.Mode().Perm()&0o077 == 0 {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// writeFile replaces a file as a whole and durably: after a crash either the
// old or the new one is there.
func writeFile(name string, data []byte) error {
	tmp := name + ".tmp"
	err := writeSynced(tmp, data)
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		_ = os.Remove(tmp) // what there is of it is in the way on a full disk
		return err
	}
	return syncPath(filepath.Dir(name), os.O_RDONLY)
}

func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// full reports whether the folder's disk has no room for another block of the
// log. The server's own errors do not tell.
func full(dir string) bool {
	const block = 1 << 20
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && uint64(st.Bavail)*uint64(st.Bsize) < block
}
