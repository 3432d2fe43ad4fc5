"""Catalogue entries of the area: keys."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-K001",
        title="No private key",
        cause="The process signs, and neither a private key variable nor a key file is configured.",
        remedy="Generate a key with `subnetctl keys new`, then set its variable in .env or name its file.",
    ),
    Entry(
        code="SN-K002",
        title="Malformed private key",
        cause="The value is not 64 hex digits, or not in the range of secp256k1 private keys.",
        remedy="Copy the key again without quotes or line breaks, or generate a new one.",
    ),
    Entry(
        code="SN-K003",
        title="Key file is open to other users",
        cause="The mode of the key file lets other users access it.",
        remedy="chmod 400 the file, and replace the key if other users work on this machine.",
    ),
    Entry(
        code="SN-K004",
        title="Key file cannot be read",
        cause="The key file does not exist, is not a file, or this user may not read it.",
        remedy="Correct the path or the owner of the file.",
    ),
    Entry(
        code="SN-K005",
        title="Two sources for one key",
        cause="A private key and a private key file are both configured.",
        remedy="Keep one of the two, the variable or the key file, and remove the other.",
    ),
    Entry(
        code="SN-K101",
        title="Second digest for a signed epoch",
        cause="The validator was about to sign something for an epoch for which it has already "
        "signed something else. It refused, because two signatures for one epoch are "
        "proof of misbehaviour.",
        remedy="Do not delete the signing record. Compare the epoch on all validators with "
        "`subnetctl status`; a restored or copied data directory is the usual reason.",
    ),
    Entry(
        code="SN-K102",
        title="Epoch below the signing record",
        cause="The validator was asked to sign an epoch at or below the highest one it knows it"
        " signed, and has no entry for it.",
        remedy="This is expected once after a restore or when rejoining with an empty directory:"
        " the others sign these epochs. New epochs are signed normally.",
    ),
    Entry(
        code="SN-K103",
        title="The signing record is damaged",
        cause="The file of signed epochs does not pass its checks. Starting without it could "
        "lead to signing an epoch twice.",
        remedy="Restore the file from a backup made after this validator's last signature. "
        "Without one, give the validator a new key.",
    ),
    Entry(
        code="SN-K104",
        title="The signing record is another's",
        cause="The file belongs to another key, or another process of this machine has it open.",
        remedy="Start each validator once, with its own data directory and key.",
    ),
    Entry(
        code="SN-K106",
        title="The signing record has a newer format",
        cause="A newer build wrote the file of signed epochs; nothing was changed.",
        remedy="Start the build that wrote it. Never delete the file to make an older build start.",
    ),
    Entry(
        code="SN-K105",
        title="The signing record cannot be written",
        cause="The disk did not take the entry, so nothing was signed.",
        remedy="Free disk space: then signing goes on by itself. After any other failure check the file's "
        "permissions and the disk, and restart the validator.",
    ),
)
