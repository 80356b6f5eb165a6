package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverSync is how often the server itself tells the disk to keep what was
// written. It holds up all appends meanwhile, for as long as the disk takes, so the
// log does it before and leaves the server little to wait for.
const serverSync = 2 * time.Minute

// clockStep is more than files' times are behind the clock.
const clockStep = time.Second

// syncer tells the disk to keep what the server wrote. Its methods run on one
// goroutine.
type syncer struct {
	streams string // the folder of all of them
	seen    map[string]stamp
}

// stamp is what a file shows of its having been written.
type stamp struct {
	size int64
	at   time.Time
}

func newSyncer(dir string) *syncer {
	return &syncer{streams: streamsFolder(filepath.Join(dir, server.JetStreamStoreDir)), seen: make(map[string]stamp)}
}

// syncAgain syncs, again and again, until ctx ends. A session that cannot be synced
// is of no more use: who knows what the disk has of it.
func (l *Log) syncAgain(ctx context.Context) {
	if l.opts.Sync == 0 {
		return // the server syncs each append
	}
	d := newSyncer(l.opts.Dir)
	for sleep(ctx, max(l.opts.Sync, minSync)) == nil {
		s := l.session()
		switch err := d.sync(time.Now()); {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			l.log.Warn("the log cannot be synced for want of descriptors, trying again", "err", err)
		case err != nil && s != nil:
			s.fail(fmt.Errorf("sync: %w", err))
		}
	}
}

// sync syncs what has been written since the last time, and the folders of new
// files. What is removed meanwhile needs none.
func (d *syncer) sync(now time.Time) error {
	files, folders, err := d.written(now)
	for _, file := range files {
		err = errors.Join(err, syncPath(file, os.O_RDWR))
	}
	for _, folder := range folders {
		err = errors.Join(err, syncPath(folder, os.O_RDONLY))
	}
	if err != nil {
		d.seen = nil // who knows which of them were
	}
	return err
}

// written returns the files that may have been written since the last time, and the
// folders in which there are new ones.
func (d *syncer) written(now time.Time) (files, folders []string, err error) {
	seen := make(map[string]stamp, len(d.seen))
	streams, err := readFolder(d.streams)
	for _, stream := range streams {
		folder := filepath.Join(d.streams, stream.Name(), "msgs")
		entries, readErr := readFolder(folder)
		err = errors.Join(err, readErr)
		anew := false
		for _, entry := range entries {
			info, infoErr := entry.Info()
			if infoErr != nil {
				continue // it has been removed
			}
			file, has := filepath.Join(folder, entry.Name()), stamp{info.Size(), info.ModTime()}
			had, known := d.seen[file]
			if had != has {
				files = append(files, file)
			}
			if now.Sub(has.at) < clockStep {
				has = stamp{} // it may be written again and show nothing of it
			}
			seen[file], anew = has, anew || !known
		}
		if anew {
			folders = append(folders, folder)
		}
	}
	d.seen = seen
	return files, folders, err
}

// readFolder returns what is in a folder, nothing where it has been removed.
func readFolder(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// syncPath syncs a file or folder, unless it has been removed.
func syncPath(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
