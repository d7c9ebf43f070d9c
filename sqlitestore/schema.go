package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks a file as ours ("wpos"). It is in the header of every
// SQLite file: https://www.sqlite.org/fileformat2.html#application_id
const applicationID = 0x77706f73

// migrations bring a file from each version to the next one. A file's version is
// how many of them it has seen; one that was released is never changed.
//
// A subscription exists only while its row does: every statement that removes a
// row removes its subscriptions in the same transaction.
var migrations = [...]string{`
CREATE TABLE connections (
	id        TEXT    NOT NULL PRIMARY KEY,
	api       TEXT    NOT NULL,
	stage     TEXT    NOT NULL,
	region    TEXT    NOT NULL,
	user      TEXT    NOT NULL, -- empty: no user
	connected INTEGER NOT NULL, -- milliseconds since 1970, as all times here
	expires   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX connections_by_user ON connections (user, id) WHERE user <> '';
CREATE INDEX connections_by_expiry ON connections (expires);

CREATE TABLE subscriptions (
	topic TEXT NOT NULL,
	id    TEXT NOT NULL,
	PRIMARY KEY (topic, id)
) WITHOUT ROWID;
CREATE INDEX subscriptions_by_id ON subscriptions (id);

CREATE TABLE stages (
	api    TEXT    NOT NULL,
	stage  TEXT    NOT NULL,
	region TEXT    NOT NULL,
	url    TEXT    NOT NULL,
	event  INTEGER NOT NULL,
	PRIMARY KEY (api, stage, region)
) WITHOUT ROWID;
`, `
ALTER TABLE connections ADD COLUMN claims TEXT NOT NULL DEFAULT '';
`, `
CREATE TABLE epochs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- later ones are larger
	topic  TEXT    NOT NULL,
	name   TEXT    NOT NULL UNIQUE,
	head   INTEGER NOT NULL, -- the last offset
	first  INTEGER NOT NULL  -- 1 if no epoch of the topic was before it
);
CREATE INDEX epochs_by_topic ON epochs (topic, number);

CREATE TABLE messages (
	epoch    INTEGER NOT NULL,
	position INTEGER NOT NULL,
	id       TEXT    NOT NULL,
	data     BLOB    NOT NULL,
	appended INTEGER NOT NULL,
	expires  INTEGER NOT NULL,
	PRIMARY KEY (epoch, position)
) WITHOUT ROWID;
CREATE INDEX messages_by_expiry ON messages (expires);
`, `
ALTER TABLE subscriptions ADD COLUMN mark TEXT NOT NULL DEFAULT ''; -- empty: it watches no presence

CREATE TABLE members (
	topic  TEXT    NOT NULL,
	member TEXT    NOT NULL,
	change INTEGER NOT NULL, -- the number of the last change
	told   INTEGER NOT NULL, -- that was announced last
	info   TEXT    NOT NULL, -- JSON, or empty
	said   TEXT    NOT NULL,
	PRIMARY KEY (topic, member)
) WITHOUT ROWID;

CREATE TABLE sessions (
	topic      TEXT    NOT NULL,
	member     TEXT    NOT NULL,
	id         TEXT    NOT NULL,
	connection TEXT    NOT NULL,
	api        TEXT    NOT NULL,
	stage      TEXT    NOT NULL,
	region     TEXT    NOT NULL,
	connected  INTEGER NOT NULL,
	lease      INTEGER NOT NULL, -- until when
	PRIMARY KEY (topic, member, id)
) WITHOUT ROWID;
CREATE INDEX sessions_by_lease ON sessions (lease);

CREATE TABLE sweeps (
	one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	minute INTEGER NOT NULL
) WITHOUT ROWID;
`}

// header is what tells a store from any other SQLite file.
type header struct{ application, version, objects int64 }

func readHeader(ctx context.Context, c *sql.Conn) (h header, err error) {
	err = c.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&h.application, &h.version, &h.objects)
	return h, err
}

// refuse says why a file is not a store that this version can use.
func (h header) refuse() error {
	switch {
	case h.application == 0 && h.version == 0 && h.objects == 0:
		return nil // empty
	case h.application != applicationID:
		return fmt.Errorf("it is an SQLite file of another application; name another file")
	case h.version > int64(len(migrations)):
		return fmt.Errorf("it was written by a newer wirepost (file version %d, this program knows %d); update wirepost", h.version, len(migrations))
	case h.version < 1:
		return fmt.Errorf("its version %d does not exist; name another file, or remove this one", h.version)
	}
	return nil
}

// migrate makes an empty file a store, and an older store a current one. Of
// several processes that open a new file at once, one does the work.
func migrate(ctx context.Context, c *sql.Conn) (err error) {
	h, err := readHeader(ctx, c)
	if err != nil {
		return err
	}
	if err := h.refuse(); err != nil || h.application == applicationID && h.version == int64(len(migrations)) {
		return err
	}
	if err := useWAL(ctx, c); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The context may be what ended; the transaction has to end all the same.
			c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	if h, err = readHeader(ctx, c); err != nil { // it may have been another's turn first
		return err
	}
	if err := h.refuse(); err != nil {
		return err
	}
	for _, m := range migrations[h.version:] {
		if _, err := c.ExecContext(ctx, m); err != nil {
			return err
		}
	}
	if _, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations))); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}
