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

LOOP = """
CREATE TABLE log_positions (             -- how far `check` has read each log file
    model TEXT NOT NULL,
    log TEXT NOT NULL CHECK (log IN ('predictions', 'labels')),
    file TEXT NOT NULL,
    offset INTEGER NOT NULL,
    edges TEXT NOT NULL,                 -- fingerprint of the stretch's edges: another one means the file was rewritten
    PRIMARY KEY (model, log, file)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_segments (              -- the files below data/<model>/<log>/.index that hold what was read
    model TEXT NOT NULL,
    log TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (model, log, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (                  -- predictions and their labels, by the hour of the prediction
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    hour TEXT NOT NULL,
    metric TEXT NOT NULL CHECK (metric IN ('accuracy', 'mae')),
    predictions INTEGER NOT NULL DEFAULT 0,
    expected REAL NOT NULL DEFAULT 0,    -- right answers to be expected from the calibrated scores
    labels INTEGER NOT NULL DEFAULT 0,
    losses REAL NOT NULL DEFAULT 0,      -- wrong answers; in regression clipped errors, as the sequential test takes them
    squares REAL NOT NULL DEFAULT 0,
    errors REAL NOT NULL DEFAULT 0,      -- in regression the sum of absolute errors
    corrections INTEGER NOT NULL DEFAULT 0,
    fed_labels INTEGER NOT NULL DEFAULT 0,   -- of these, what the sequential test has been given
    fed_losses REAL NOT NULL DEFAULT 0,
    fed_squares REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (model, version, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE detector (                  -- the sequential test's memory, one for each deployment
    model TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    against TEXT NOT NULL CHECK (against IN ('live', 'before')),  -- floor and holdout, or the version it replaced
    state TEXT NOT NULL,
    PRIMARY KEY (model, deployment, against)
) STRICT, WITHOUT ROWID;

CREATE TABLE checks (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    time TEXT NOT NULL,
    rule TEXT NOT NULL,
    metric TEXT NOT NULL,
    value REAL,
    low REAL,
    high REAL,
    labels INTEGER NOT NULL,             -- of matured predictions of this version
    matured INTEGER NOT NULL,
    floor REAL,                          -- lowest accuracy or largest mae
    evidence REAL,                       -- the sequential test's statistic; it says "dropped" from `alarm_at` on
    alarm_at REAL,
    expected REAL,                       -- accuracy expected from calibrated scores, blind to a change of concept
    verdict TEXT NOT NULL CHECK (verdict IN ('healthy', 'dropped', 'unknown'))
) STRICT;
CREATE INDEX checks_by_model ON checks (model, id);

CREATE TABLE retrains (                  -- every time a retraining was due, and what came of it
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    model TEXT NOT NULL,
    time TEXT NOT NULL,
    reason TEXT NOT NULL,                -- why it was due
    outcome TEXT NOT NULL CHECK (outcome IN ('deployed', 'refused', 'postponed')),
    detail TEXT NOT NULL,
    window TEXT,                         -- the rows that the winner learnt from
    p_value REAL                         -- one-sided, that it is no better than the live version
) STRICT;
CREATE INDEX retrains_by_model ON retrains (model, id);

CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    kind TEXT NOT NULL,                  -- dropped, refused, rollback, failed, push, …
    text TEXT NOT NULL,
    raised TEXT NOT NULL,
    run_id INTEGER REFERENCES runs (id),
    resolved TEXT,
    delivered TEXT,                      -- when the webhook took it; NULL: not yet, or there is none
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (model, kind) WHERE resolved IS NULL;

CREATE VIEW accuracy_by_day AS
SELECT o.model, o.version, substr(o.hour, 1, 10) AS day, sum(o.predictions) AS predictions, sum(o.labels) AS labels,
       CASE o.metric WHEN 'accuracy' THEN round(1 - sum(o.losses) / nullif(sum(o.labels), 0), 4) END AS accuracy,
       CASE o.metric WHEN 'mae' THEN round(sum(o.errors) / nullif(sum(o.labels), 0), 4) END AS mae,
       sum(o.corrections) AS corrections
FROM outcomes o
GROUP BY o.model, o.version, day ORDER BY o.model, day, o.version;
"""

BOUND = """
ALTER TABLE outcomes ADD COLUMN bound REAL;  -- regression: the mae that the losses are in units of
"""

TRUST = """
ALTER TABLE versions ADD COLUMN tag_object TEXT;     -- the id of the tag as it was made: another one has been put in its place
ALTER TABLE deployments ADD COLUMN tag_object TEXT;

CREATE TABLE audit_heads (               -- how long each audit.jsonl was, and its last line, so that none is cut off unseen
    model TEXT PRIMARY KEY,
    lines INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

DRIFT = """
CREATE TABLE drift_windows (             -- each stretch of the prediction log that `drift` has judged
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    model TEXT NOT NULL,
    version INTEGER NOT NULL,            -- which scored these rows, and whose baseline they were compared with
    time TEXT NOT NULL,                  -- when it was judged
    rows INTEGER NOT NULL,
    first TEXT NOT NULL,                 -- when its first row was scored, and its last
    last TEXT NOT NULL,
    level REAL NOT NULL,                 -- the chance of a false alarm that this check could spend
    budget REAL NOT NULL,                -- what that left of what has been saved up for such checks
    verdict TEXT NOT NULL CHECK (verdict IN ('ok', 'drift', 'quality')),
    words TEXT NOT NULL,                 -- the worst finding in words; empty where there is none
    accepted TEXT,                       -- when a person accepted a data-quality stop, who, and why
    accepted_by TEXT,
    accepted_because TEXT,
    CHECK (accepted IS NULL OR verdict = 'quality')
) STRICT;
CREATE INDEX drift_windows_by_model ON drift_windows (model, version, id);
CREATE INDEX drift_windows_by_time ON drift_windows (model, time);
CREATE INDEX drift_windows_stopped ON drift_windows (model) WHERE verdict = 'quality' AND accepted IS NULL;

CREATE TABLE drift_positions (           -- how far the prediction log had been read when …
    model TEXT NOT NULL,
    at TEXT NOT NULL CHECK (at IN ('judged', 'found', 'accepted')),  -- … it was last judged, something was found, a stop was accepted
    file TEXT NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (model, at, file)
) STRICT, WITHOUT ROWID;

CREATE TABLE drift (                     -- what was measured in a window, worst first; after 30 days the last window of each day
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    window_id INTEGER NOT NULL REFERENCES drift_windows (id),
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    time TEXT NOT NULL,
    "column" TEXT NOT NULL,              -- a feature's name, or (prediction), (score)
    measure TEXT NOT NULL,
    value REAL,                          -- the effect; NULL: infinite
    p_value REAL,                        -- NULL: a measure without a test
    p_corrected REAL,                    -- for all that was tested at once
    "limit" REAL,                        -- smallest effect that counts, or the limit set in model.toml
    verdict TEXT NOT NULL CHECK (verdict IN ('ok', 'notice', 'drift', 'quality')),
    words TEXT                           -- the line on the screen, at the finding that leads it
) STRICT;
CREATE INDEX drift_by_window ON drift (window_id);
CREATE INDEX drift_by_column ON drift (model, "column", time);

CREATE VIEW drift_latest AS
SELECT d.model, d.version, d.time, d."column", d.measure, d.value, d.p_value, d.p_corrected, d."limit", d.verdict, d.words
FROM drift d JOIN (SELECT max(id) AS id FROM drift_windows GROUP BY model) w ON w.id = d.window_id
ORDER BY d.model, d.id;

ALTER TABLE retrains ADD COLUMN stopped_by INTEGER REFERENCES drift_windows (id); -- the window of spoiled rows that forbade it
"""

STANDING = """
ALTER TABLE checks ADD COLUMN basis TEXT;  -- JSON: all that the verdict follows from; while it is the same, so is the verdict
"""

RANKED = """
CREATE INDEX versions_ranked ON versions (model, metric, CASE WHEN greater_is_better THEN -value ELSE value END, version);  -- as leaderboard places them

DROP VIEW production;
CREATE VIEW production AS
SELECT last.model, d.version, d.time AS since, d.user, d.action, d.replaced, d.reason, v.metric, round(v.value, 4) AS value, round(v.low, 4) AS low, round(v.high, 4) AS high
FROM (SELECT model, max(deployment) AS deployment FROM deployments GROUP BY model) last
JOIN deployments d ON d.model = last.model AND d.deployment = last.deployment
JOIN versions v ON v.model = d.model AND v.version = d.version
ORDER BY last.model;
"""

SINCE = """
ALTER TABLE checks ADD COLUMN since TEXT;  -- of the predictions from then on are value, low and high; NULL: of all
"""

ERROR_SQUARES = """
ALTER TABLE outcomes ADD COLUMN error_squares REAL NOT NULL DEFAULT 0;  -- regression: sum of the squared errors, unclipped as `errors` are
UPDATE outcomes SET bound = NULL WHERE metric = 'mae';  -- so that the next check counts them anew
"""

JOBS = """
CREATE INDEX runs_of_all ON runs (script, model, id) WHERE (trigger = 'cron' OR model IS NULL) AND status <> 'running';
UPDATE alerts SET kind = 'retrain failed' WHERE kind = 'failed';  -- and model is '' from now on where a job of cron's failed on no one model
"""

ONCE = """
CREATE TRIGGER versions_once BEFORE INSERT ON versions WHEN EXISTS (SELECT 1 FROM versions WHERE id = NEW.id OR tag = NEW.tag OR model = NEW.model AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'a version is never replaced'); END;  -- as INSERT OR REPLACE would, past the triggers above
CREATE TRIGGER deployments_once BEFORE INSERT ON deployments WHEN EXISTS (SELECT 1 FROM deployments WHERE id = NEW.id OR tag = NEW.tag OR model = NEW.model AND deployment = NEW.deployment)
BEGIN SELECT RAISE(ABORT, 'a deployment is never replaced'); END;
"""

VALUE_LABELS = """
ALTER TABLE checks ADD COLUMN value_labels INTEGER;  -- how many labels value, low and high are of
UPDATE checks SET basis = NULL;                      -- so that the next check counts them
"""

IDENTITY = """
ALTER TABLE log_positions ADD COLUMN identity TEXT;  -- the file as the system describes it: while that is the same, its edges are too
"""

CORRECTED = """
ALTER TABLE outcomes ADD COLUMN fed_corrections INTEGER NOT NULL DEFAULT 0;  -- how many corrections there were when the sequential test was told
UPDATE outcomes SET fed_corrections = corrections;
"""

# A new one goes to the end. The text of those before is what `make verify` compares a database with, comments included: it is never changed.
MIGRATIONS = (RUNS, LOOP, BOUND, TRUST, DRIFT, STANDING, RANKED, SINCE, ERROR_SQUARES, JOBS, ONCE, VALUE_LABELS, IDENTITY, CORRECTED)
