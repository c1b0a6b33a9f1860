"""metrics.db's tables and views, as numbered migrations: a new one is added at the end, an old one is never edited."""

RUNS = """
CREATE TABLE runs (                      -- one row for each execution of any script
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    script TEXT NOT NULL,
    model TEXT,
    started TEXT NOT NULL,               -- UTC, ISO 8601, as every time here
    ended TEXT,
    seconds REAL,
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'refused', 'failed', 'interrupted', 'killed')),
    exit_code INTEGER,
    error TEXT,
    trigger TEXT NOT NULL CHECK (trigger IN ('manual', 'cron')),
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    pid_started INTEGER NOT NULL,        -- with the pid it names one process, however often pids are used again
    git_commit TEXT,
    dirty INTEGER,                       -- 1: tracked files differed from the commit
    data_fingerprint TEXT,               -- sha256 over the training parts' sha256
    config_fingerprint TEXT,
    code_fingerprint TEXT,
    environment_fingerprint TEXT,
    peak_memory_mb REAL
) STRICT;
CREATE INDEX runs_by_model ON runs (model, script, id);
CREATE INDEX runs_open ON runs (status) WHERE status = 'running';

CREATE TABLE params (
    run_id INTEGER NOT NULL REFERENCES runs (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE metrics (
    run_id INTEGER NOT NULL REFERENCES runs (id),
    version INTEGER,                     -- the version that was scored; NULL for a candidate that was refused
    slice TEXT NOT NULL DEFAULT 'all',   -- 'all', or 'column = value'
    name TEXT NOT NULL,
    value REAL NOT NULL,
    low REAL,                            -- 95 % interval
    high REAL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (run_id, slice, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX metrics_by_name ON metrics (name, value);

CREATE TABLE trials (                    -- one row for each finished fold of a search's trial
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    search TEXT NOT NULL,                -- fingerprint of data, config, code and environment: what a resumed search shares
    trial INTEGER NOT NULL,
    fold INTEGER NOT NULL,
    params TEXT NOT NULL,                -- JSON
    metric TEXT NOT NULL,
    value REAL,                          -- NULL: the fit failed, see error
    error TEXT,
    seconds REAL NOT NULL,
    finished TEXT NOT NULL,
    UNIQUE (search, trial, fold)
) STRICT;

CREATE TABLE versions (                  -- rebuilt from the tags if lost
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    created TEXT NOT NULL,
    tag TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,                -- of model.joblib: the model's identity
    manifest_sha256 TEXT NOT NULL,
    estimator TEXT NOT NULL,
    metric TEXT NOT NULL,                -- the headline metric, on the holdout
    value REAL NOT NULL,
    low REAL,
    high REAL,
    greater_is_better INTEGER NOT NULL,
    train_rows INTEGER NOT NULL,
    holdout_rows INTEGER NOT NULL,
    why TEXT NOT NULL,
    UNIQUE (model, version)
) STRICT;
CREATE TRIGGER versions_stay BEFORE UPDATE ON versions BEGIN SELECT RAISE(ABORT, 'a version is never changed'); END;
CREATE TRIGGER versions_remain BEFORE DELETE ON versions BEGIN SELECT RAISE(ABORT, 'a version is never deleted'); END;

CREATE TABLE deployments (               -- rebuilt from the tags if lost
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    deployment INTEGER NOT NULL,         -- K of the tag <model>/deploy-K
    version INTEGER NOT NULL,
    replaced INTEGER,                    -- the version that was live before
    action TEXT NOT NULL CHECK (action IN ('deploy', 'rollback', 'retrain')),
    time TEXT NOT NULL,
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    reason TEXT NOT NULL,
    run_uuid TEXT NOT NULL,
    tag TEXT NOT NULL UNIQUE,
    UNIQUE (model, deployment),
    FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT;
CREATE TRIGGER deployments_stay BEFORE UPDATE ON deployments BEGIN SELECT RAISE(ABORT, 'a deployment is never changed'); END;
CREATE TRIGGER deployments_remain BEFORE DELETE ON deployments BEGIN SELECT RAISE(ABORT, 'a deployment is never deleted'); END;

CREATE TABLE batches (                   -- each CSV that `predict` has logged, so that the same file is not logged twice
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    rows INTEGER NOT NULL,
    log TEXT NOT NULL,                   -- the file below data/<model>/predictions
    time TEXT NOT NULL,
    UNIQUE (model, version, sha256)
) STRICT;

CREATE VIEW production AS
SELECT model, version, since, user, action, replaced, reason, metric, round(value, 4) AS value, round(low, 4) AS low, round(high, 4) AS high
FROM (SELECT d.model, d.version, d.time AS since, d.user, d.action, d.replaced, d.reason, v.metric, v.value, v.low, v.high,
             row_number() OVER (PARTITION BY d.model ORDER BY d.deployment DESC) AS place
      FROM deployments d JOIN versions v ON v.model = d.model AND v.version = d.version)
WHERE place = 1;

CREATE VIEW leaderboard AS
SELECT v.model,
       row_number() OVER (PARTITION BY v.model, v.metric ORDER BY CASE WHEN v.greater_is_better THEN -v.value ELSE v.value END, v.version) AS place,
       v.version, v.metric, round(v.value, 4) AS value, round(v.low, 4) AS low, round(v.high, 4) AS high, v.estimator, v.train_rows, v.created,
       CASE WHEN p.version IS NOT NULL THEN 'live' ELSE '' END AS live
FROM versions v LEFT JOIN production p ON p.model = v.model AND p.version = v.version
ORDER BY v.model, v.metric, place;

CREATE VIEW last_runs AS
SELECT id, started, script, model, status, exit_code, round(seconds, 2) AS seconds, trigger, user, error FROM runs ORDER BY id DESC LIMIT 50;
"""

MIGRATIONS = (RUNS,)
