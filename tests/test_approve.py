"""Approval: where model.toml asks for it, only what a listed key has signed for goes live, and every false approval is refused in its own line."""
import subprocess

import pytest
from conftest import Project, edit
from worlds import changed_world

pytestmark = pytest.mark.slow  # but for the tests marked quick

NEXT = ". Who may sign does it with: make approve MODEL=cancer VERSION=2\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with the keys of Ada, who may sign, and of Bob, who may not, and the list that says so."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "signers").write_text("ada@example.org " + " ".join((folder / "ada.pub").read_text().split()[:2]) + "\n")
    return folder


def ask_for_approval(project: Project, signers) -> None:
    with open(project.root / "models/cancer/model.toml", "a") as file:
        file.write(f'\n[deploy]\napproval = "signed"\nallowed_signers = "{signers}"\n')


@pytest.fixture
def guarded(trained, keys) -> Project:
    """v1 live, from before approval was asked for; v2 registered."""
    ask_for_approval(trained, keys / "signers")
    return trained


@pytest.mark.quick
def test_an_approved_version_goes_live_and_the_record_says_by_whom(guarded, keys):
    assert guarded.run("deploy", code=3).stderr == "deploy: cancer v2 is not approved: there is no tag cancer/approve-v2" + NEXT
    digest, = guarded.sql("SELECT sha256 FROM versions WHERE version = 2")[0]
    assert guarded.run("approve", KEY=keys / "ada").stdout == (
        f"cancer v2 is approved by ada@example.org: model {digest[:12]} (tag cancer/approve-v2)\nnext: make deploy MODEL=cancer VERSION=2\n")
    assert digest in guarded.git("cat-file", "tag", "cancer/approve-v2")
    assert "cancer v2 is live" in guarded.run("deploy").stdout
    assert [(entry["event"], entry.get("signer") or entry.get("approved_by")) for entry in guarded.audit()[-2:]] == [("approve", "ada@example.org"), ("deploy", "ada@example.org")]
    assert "v2 went live (the newest, approved by ada@example.org)" in guarded.run("history").stdout
    guarded.run("verify")


def test_approving_twice_changes_nothing_and_git_names_the_key_where_nobody_else_does(guarded, keys):
    guarded.git("config", "user.signingkey", str(keys / "ada.pub"))
    guarded.run("approve", VERSION=2)
    tag, lines = guarded.git("rev-parse", "refs/tags/cancer/approve-v2"), len(guarded.audit())
    assert guarded.run("approve", VERSION=2).stdout.startswith("cancer v2 is approved already by ada@example.org (tag cancer/approve-v2)\n")
    assert (guarded.git("rev-parse", "refs/tags/cancer/approve-v2"), len(guarded.audit())) == (tag, lines)


def sign(project: Project, key, name: str, commit: str = "cancer/v2^{commit}", words: str | None = None) -> None:
    """A signed tag by hand, with the words of a real approval, or others."""
    words = words if words is not None else approval_of(project, 2)
    project.git("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}", "tag", "-f", "-s", "-m", f"{name}\n\n{words}", name, commit)


def approval_of(project: Project, version: int) -> str:
    (digest, manifest), = project.sql("SELECT sha256, manifest_sha256 FROM versions WHERE version = ?", version)
    return f'{{"approves":"cancer/v{version}","manifest":"{manifest}","sha256":"{digest}"}}'


def by_hand(project, keys):
    sign(project, keys / "ada", "cancer/approve-v2")


def without_a_key(project, keys):
    sign(project, keys / "nobody", "cancer/approve-v2")  # git exits 0


def lightweight(project, keys):
    project.git("tag", "cancer/approve-v2", "cancer/v2^{commit}")


def of_a_stranger(project, keys):
    sign(project, keys / "bob", "cancer/approve-v2")


def replayed(project, keys):
    sign(project, keys / "ada", "cancer/approve-v1", "cancer/v1^{commit}", approval_of(project, 1))
    project.git("update-ref", "refs/tags/cancer/approve-v2", project.git("rev-parse", "refs/tags/cancer/approve-v1").strip())


def on_another_commit(project, keys):
    sign(project, keys / "ada", "cancer/approve-v2", "cancer/v1^{commit}")


def for_another_model(project, keys):
    sign(project, keys / "ada", "cancer/approve-v2", words=approval_of(project, 1))


def without_a_sha256(project, keys):
    sign(project, keys / "ada", "cancer/approve-v2", words="looks good to me")


def altered(project, keys):
    sign(project, keys / "ada", "cancer/approve-v2", words=approval_of(project, 1))
    content = project.git("cat-file", "tag", "cancer/approve-v2").replace(approval_of(project, 1), approval_of(project, 2))
    made = project.git("hash-object", "-t", "tag", "-w", "--stdin", input=content).strip()
    project.git("update-ref", "refs/tags/cancer/approve-v2", made)


FALSE = {
    without_a_key: "the tag cancer/approve-v2 is not signed",
    lightweight: "the tag cancer/approve-v2 is not signed",
    of_a_stranger: "the tag cancer/approve-v2 was signed by a key that {keys}/signers does not list",
    replayed: "the tag cancer/approve-v2 is cancer/approve-v1 under another name",
    on_another_commit: "the tag cancer/approve-v2 was moved: it is not for the commit of cancer/v2",
    for_another_model: "the tag cancer/approve-v2 names another sha256 than this model's",
    without_a_sha256: "the tag cancer/approve-v2 names another sha256 than this model's",
    altered: "the tag cancer/approve-v2 was changed after it was signed",
}


@pytest.mark.parametrize("forge", FALSE, ids=lambda forge: forge.__name__)
def test_a_false_approval_is_refused_with_its_own_line_and_named_by_verify(guarded, keys, forge):
    forge(guarded, keys)
    words = "cancer v2 is not approved: " + FALSE[forge].format(keys=keys) + NEXT
    assert guarded.run("deploy", code=3).stderr == "deploy: " + words
    assert guarded.sql("SELECT version FROM production") == [(1,)]
    if forge in (replayed, altered):
        assert "cancer: " + words in guarded.run("verify", code=3, QUICK=1).stdout
    if forge is of_a_stranger:
        assert "cancer v2 is approved by ada@example.org" in guarded.run("approve", KEY=keys / "ada").stdout  # takes its place
        guarded.run("deploy")


def test_a_signature_made_by_hand_is_as_good_and_the_audit_gets_the_line_that_it_lacks(guarded, keys):
    """Such as of an approval that was killed between its tag and its line."""
    by_hand(guarded, keys)
    guarded.run("deploy")
    assert "approve" not in [entry["event"] for entry in guarded.audit()]
    assert "approved already" in guarded.run("approve", KEY=keys / "ada").stdout
    assert [entry["signer"] for entry in guarded.audit() if entry["event"] == "approve"] == ["ada@example.org"]


def test_the_repository_can_not_vouch_for_itself(guarded, keys):
    """Neither with its own list of signers, nor with a program of its own that says yes to everything."""
    of_a_stranger(guarded, keys)
    yes = guarded.root / "models/yes.sh"
    yes.write_text('#!/bin/sh\necho \'Good "git" signature for ada@example.org with ED25519 key\'\n')
    yes.chmod(0o755)
    for name, value in (("gpg.ssh.program", yes), ("gpg.ssh.allowedSignersFile", guarded.root / "signers"), ("gpg.format", "openpgp"), ("gpg.program", yes)):
        guarded.git("config", name, str(value))
    assert "does not list" in guarded.run("deploy", code=3).stderr


def test_going_back_needs_no_approval_and_going_forward_again_does(guarded, keys):
    guarded.run("approve", KEY=keys / "ada")
    guarded.run("deploy")
    assert "cancer v1 is live" in guarded.run("rollback").stdout
    guarded.run("deploy", VERSION=2)
    assert "cancer v1 is not approved: there is no tag cancer/approve-v1" in guarded.run("deploy", code=3, VERSION=1).stderr


@pytest.mark.parametrize("options, code, words", [
    ({"KEY": "/nowhere/key"}, 2, "approve: KEY=/nowhere/key is not a key file that you can read.\n"),
    ({}, 2, "approve: there is no key to sign with. Name an SSH key: make approve KEY=~/.ssh/id_ed25519, or: git config --global user.signingkey ~/.ssh/id_ed25519.pub\n"),
    ({"KEY": "bob"}, 3, "approve: the key {keys}/bob can't approve cancer v2: {keys}/signers does not list it. Sign with one that it lists: make approve MODEL=cancer VERSION=2 KEY=…\n"),
    ({"KEY": "ada", "VERSION": "9"}, 2, "approve: there is no version v9 of cancer. Known: v1, v2.\n"),
])
@pytest.mark.quick
def test_who_may_not_sign_leaves_no_tag(guarded, keys, options, code, words):
    options = {name: keys / value if value in ("ada", "bob") else value for name, value in options.items()}
    assert guarded.run("approve", code=code, **options).stderr == words.format(keys=keys)
    assert "approve" not in guarded.git("tag")


def test_where_nobody_asks_for_approval_there_is_nothing_to_approve(trained):
    assert trained.run("approve", code=2).stderr.startswith("approve: cancer needs no approval. To ask for it, put into models/cancer/model.toml: [deploy] approval = \"signed\"")


@pytest.mark.parametrize("place, words", [
    ("inside", "`deploy.allowed_signers` = '{root}/signers' is inside this repository, where whoever may train could change it. Put it outside."),
    ("linked", "`deploy.allowed_signers` = '{outside}/link' is inside this repository, where whoever may train could change it. Put it outside."),
    ("gone", "`deploy.allowed_signers` = '{outside}/gone' is not there. Make it, a line for each who may sign: name@example.org ssh-ed25519 AAAA…"),
    ("open", "open can be written by every user of this machine, so it can't be trusted. See what was changed, then close it with: chmod o-w open"),
    ("relative", "{root}/models/cancer/model.toml: `deploy.allowed_signers` must be an absolute path, outside this repository, not 'signers'."),
    ("none", '{root}/models/cancer/model.toml: `deploy.approval` = "signed" needs `deploy.allowed_signers`: the file, outside this repository, that lists who may sign.'),
])
def test_a_list_of_signers_that_can_not_be_trusted_is_refused(trained, keys, tmp_path, place, words):
    outside = tmp_path / "outside"
    outside.mkdir()
    (trained.root / "signers").write_bytes((keys / "signers").read_bytes())
    (outside / "link").symlink_to(trained.root / "signers")
    (outside / "open").write_bytes((keys / "signers").read_bytes())
    (outside / "open").chmod(0o666)
    ask_for_approval(trained, {"inside": trained.root / "signers", "linked": outside / "link", "gone": outside / "gone", "open": outside / "open", "relative": "signers", "none": "x"}[place])
    if place == "none":
        edit(trained, 'allowed_signers = "x"', "")
    done = trained.run("deploy", code=3 if place == "open" else 2)
    assert done.stderr == f"deploy: {words.format(root=trained.root, outside=outside)}\n"
    assert trained.sql("SELECT version FROM production") == [(1,)]


@pytest.mark.slow
def test_cron_registers_what_is_better_and_waits_for_who_may_sign(live, keys):  # noqa: F811
    changed_world(live)
    ask_for_approval(live, keys / "signers")
    done = live.run("retrain", code=3, TRIGGER="cron")
    assert ("found v3 better, and it waits for approval: make approve MODEL=cancer VERSION=3, then make deploy MODEL=cancer VERSION=3\n") in done.stderr
    assert live.sql("SELECT version FROM production") == [(1,)] and live.sql("SELECT count(*) FROM versions") == [(3,)]
    again = live.run("retrain", code=3, TRIGGER="cron")
    assert again.stdout.endswith("postponed: a person must decide on v3, which waits for approval\n") and "ALERT" not in again.stderr
    assert live.sql("SELECT outcome FROM retrains ORDER BY id") == [("refused",), ("postponed",)]
    assert live.run("deploy", code=3).stderr.startswith("deploy: cancer v3 is not approved: there is no tag cancer/approve-v3.")
    live.run("approve", KEY=keys / "ada", VERSION=3)
    assert "cancer: the alert 'approval' is over\n" in live.run("deploy").stdout
    assert live.sql("SELECT kind FROM alerts WHERE resolved IS NULL ORDER BY kind") == [("drift",), ("dropped",)]  # until the next checks of the new version say otherwise
    live.run("verify")
