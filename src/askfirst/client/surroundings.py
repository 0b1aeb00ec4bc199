"""What the environment forbids; `consent.decide` and the usual way of an event both ask here."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A build machine has no user to ask. Most set CI; these are the ones known not to, or not always.
CI_VARIABLES = (
    "CI",
    "CONTINUOUS_INTEGRATION",
    "BUILD_NUMBER",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "CODEBUILD_BUILD_ID",
    "BUILDKITE",
    "CIRCLECI",
    "TRAVIS",
    "APPVEYOR",
    "DRONE",
    "BITBUCKET_BUILD_NUMBER",
)

_NOT_SET = ("", "0", "false")
_ON = ("", "1", "on", "true", "yes")


def forbids(tool: str, env: "Mapping[str, str]") -> "tuple[str, str] | None":
    """Return the reason why nothing may be sent or asked, and the variable that says so, or None.

    The environment can only ever turn off. The reason is a key of `consent.REASONS`.
    """
    for name in CI_VARIABLES:
        if env.get(name, "").lower() not in _NOT_SET:
            return "ci", name
    if env.get("DO_NOT_TRACK", "").lower() not in _NOT_SET:
        return "do-not-track", ""
    if env.get("ASKFIRST_TELEMETRY", "").lower() not in _ON:
        return "variable", "ASKFIRST_TELEMETRY"
    own = tool.upper().replace("-", "_") + "_TELEMETRY"
    value = env.get(own, "").lower()
    if value in _ON:
        return None
    return "log" if value == "log" else "variable", own
