"""Catalogue entries of the area: agents."""

from pinai_subnet.wire.catalogue.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        code="SN-M501",
        title="Agent has no handler",
        cause="The matcher gave the agent a task of an intent type it does not serve.",
        remedy="Bid only on types with a handler; enable the task in agent.yaml under tasks.",
    ),
    Entry(
        code="SN-M502",
        title="Task came too late",
        cause="The task's deadline had passed when the agent was asked, or when its turn came.",
        remedy="Give intents more time, or raise limits.capacity in agent.yaml if tasks wait long.",
    ),
    Entry(
        code="SN-M503",
        title="Task took too long",
        cause="The handler did not finish within limits.task_seconds or before the task's deadline.",
        remedy="Raise limits.task_seconds in agent.yaml if the work is meant to take longer.",
    ),
    Entry(
        code="SN-M504",
        title="Handler failed",
        cause="The agent's own handler raised an error it did not declare.",
        remedy="Read the message; handlers report expected failures with TaskFailed.",
    ),
    Entry(
        code="SN-M505",
        title="Result too large",
        cause="The result has more bytes than the agent reports.",
        remedy="Return a reference to large results, or raise limits.max_result_bytes in "
        "agent.yaml.",
    ),
    Entry(
        code="SN-M506",
        title="Agent at capacity",
        cause="As many tasks are running and waiting as the agent takes, or as many finished reports wait for a "
        "validator, so it declined another.",
        remedy="Nothing to do: the runner-up gets the task. Raise limits.capacity or "
        "limits.backlog in agent.yaml, or run more agents, if it happens often; if reports wait, see that "
        "the agent reaches a validator.",
    ),
    Entry(
        code="SN-M510",
        title="Agent cannot reach the network",
        cause="A call of the agent to the matcher or a validator got no answer, or one that says "
        "to try again.",
        remedy="Check endpoints.matcher_grpc and the validators' grpc in network.yaml and that "
        "they run; the agent reconnects and repeats by itself.",
    ),
    Entry(
        code="SN-M511",
        title="Agent's call refused",
        cause="The matcher or a validator answered that the call itself is wrong or not permitted.",
        remedy="The message quotes the other side's code; explain that code. Often the agent's "
        "key or id differs from what was registered.",
    ),
    Entry(
        code="SN-M512",
        title="Receipts do not match the reports",
        cause="A validator answered a batch of reports with another number of receipts.",
        remedy="Update that validator; the agent goes on with single reports.",
    ),
    Entry(
        code="SN-M513",
        title="Report given up",
        cause="No validator gave a receipt for a report within limits.report_retention_seconds.",
        remedy="Find out why no validator could be reached for so long; the result is lost.",
    ),
    Entry(
        code="SN-M520",
        title="Malformed json-transform payload",
        cause="The payload is not a JSON object with data and a JMESPath expression of moderate "
        "size.",
        remedy='Send {"data": any JSON, "expression": "JMESPath"}.',
    ),
    Entry(
        code="SN-M521",
        title="json-transform limit exceeded",
        cause="The expression took longer or more memory than the agent allows.",
        remedy="Simplify the expression, or raise the limits of tasks.json-transform in "
        "agent.yaml.",
    ),
    Entry(
        code="SN-M522",
        title="json-transform failed",
        cause="The expression is not JMESPath, does not fit the data, or its result is too large.",
        remedy="Try the expression on the data at hand; the message names the problem.",
    ),
    Entry(
        code="SN-M523",
        title="json-transform worker did not start",
        cause="The process that evaluates expressions ended or hung while starting.",
        remedy="See whether the host is short of memory, and raise tasks.json-transform.memory_mb "
        "in agent.yaml if it is very small.",
    ),
    Entry(
        code="SN-M530",
        title="Malformed script payload",
        cause="The payload is not a JSON object with a command list of texts and a stdin text.",
        remedy='Send {"command": ["grep", "-c", "x"], "stdin": "text"}.',
    ),
    Entry(
        code="SN-M531",
        title="Command not allowed",
        cause="The first word of the command is not in the agent's allow list.",
        remedy="Use an allowed command by its plain name; tasks.script.commands in agent.yaml "
        "lists them.",
    ),
    Entry(
        code="SN-M532",
        title="Command could not be started safely",
        cause="The host cannot confine files and an argument names a path, or starting failed.",
        remedy="Pass data as stdin instead of paths, or run the agent on a kernel with Landlock "
        "(5.13 and newer).",
    ),
    Entry(
        code="SN-M533",
        title="Command took too long",
        cause="The command did not end within tasks.script.limits.wall_seconds.",
        remedy="Raise the limit in agent.yaml if the work is meant to take longer.",
    ),
    Entry(
        code="SN-M534",
        title="Command wrote too much",
        cause="The command's output exceeds tasks.script.limits.output_bytes.",
        remedy="Let the command print less, or raise the limit in agent.yaml.",
    ),
    Entry(
        code="SN-M535",
        title="Command failed",
        cause="The command ended with a status other than 0, or a limit or a signal ended it.",
        remedy="The message holds what it wrote to standard error; signals 24 (SIGXCPU), 25 "
        "(SIGXFSZ) and 9 (SIGKILL) point at its limits.",
    ),
    Entry(
        code="SN-M536",
        title="Allowed command is missing",
        cause="tasks.script.commands names a command that this host has not in /usr/bin or /bin.",
        remedy="Install the command, or take it out of the list in agent.yaml.",
    ),
    Entry(
        code="SN-M537",
        title="The command's launcher was ended",
        cause="The process that watches over the command ended before it could say how the command "
        "did: something killed it, for instance the command itself or the system for want of memory.",
        remedy="The message holds its status (a negative one is a signal); look at the host's "
        "memory and at what the command does, then send the intent again.",
    ),
    Entry(
        code="SN-M538",
        title="Command wrote nothing",
        cause="The command ended with status 0 and an empty standard output. A successful report needs a result: an "
        "empty one cannot be told from one that got lost, and the shipped policy refuses it (SN-V063).",
        remedy='Let the command say what it found, for example ["grep", "-c", "x"] instead of ["grep", "-q", "x"].',
    ),
)
