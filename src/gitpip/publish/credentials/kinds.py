"""Kinds of credentials in words. The detector names each by the id of the pattern that found it."""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "aws-access-token": "AWS access key ID",
    "aws-amazon-bedrock-api-key-long-lived": "Amazon Bedrock API key",
    "aws-amazon-bedrock-api-key-short-lived": "Amazon Bedrock API key",
    "curl-auth-header": "authorization header of a curl command",
    "curl-auth-user": "username and password of a curl command",
    "facebook-secret": "Facebook app secret",
    "gcp-api-key": "Google API key",
    "gcp-application-default-credentials": "Google application default credentials",
    "gcp-gemini-api": "Google Gemini API key",
    "gcp-service-account": "Google service account key",
    "generic-api-key": "API key",
    "generic-credential-uri": "URL with a password",
    "generic-password": "password",
    "generic-username": "username",
    "github-app-token": "GitHub app token",
    "github-fine-grained-pat": "GitHub fine-grained personal access token",
    "github-oauth": "GitHub OAuth access token",
    "gitlab-pat-routable": "GitLab personal access token",
    "gitlab-pat-routable-versioned": "GitLab personal access token",
    "gitlab-ptt": "GitLab pipeline trigger token",
    "gitlab-rrt": "GitLab runner registration token",
    "hashicorp-tf-api-token": "Terraform API token",
    "hashicorp-tf-password": "Terraform password",
    "jwt": "JSON Web Token",
    "jwt-base64": "JSON Web Token",
    "kubernetes-secret-yaml": "Kubernetes Secret",
    "mailgun-pub-key": "Mailgun public key",
    "pkcs12-file": "PKCS #12 file",
    "private-key": "private key",
    "stripe-access-token": "Stripe API key",
}
"""Ids that say too little, or not what people call it."""
WORDS: Mapping[str, str] = {
    "1password": "1Password",
    "api": "API",
    "aws": "AWS",
    "cicd": "CI/CD",
    "circleci": "CircleCI",
    "clickhouse": "ClickHouse",
    "cloudflare": "Cloudflare",
    "digitalocean": "DigitalOcean",
    "dockerhub": "Docker Hub",
    "elevenlabs": "ElevenLabs",
    "flyio": "Fly.io",
    "gcp": "Google Cloud",
    "github": "GitHub",
    "gitlab": "GitLab",
    "hubspot": "HubSpot",
    "huggingface": "Hugging Face",
    "ibm": "IBM",
    "id": "ID",
    "influxdb": "InfluxDB",
    "jfrog": "JFrog",
    "launchdarkly": "LaunchDarkly",
    "linkedin": "LinkedIn",
    "messagebird": "MessageBird",
    "microsoft": "Microsoft",
    "mongodb": "MongoDB",
    "newrelic": "New Relic",
    "npm": "npm",
    "nuget": "NuGet",
    "nvidia": "NVIDIA",
    "oauth": "OAuth",
    "openai": "OpenAI",
    "openrouter": "OpenRouter",
    "openshift": "OpenShift",
    "ovh": "OVH",
    "pagerduty": "PagerDuty",
    "pat": "personal access token",
    "paypal": "PayPal",
    "personnal": "personal",
    "planetscale": "PlanetScale",
    "posthog": "PostHog",
    "pypi": "PyPI",
    "rapidapi": "RapidAPI",
    "rubygems": "RubyGems",
    "scim": "SCIM",
    "sdk": "SDK",
    "sendgrid": "SendGrid",
    "sts": "STS",
    "tf": "Terraform",
    "travisci": "Travis CI",
    "url": "URL",
    "virustotal": "VirusTotal",
    "woocommerce": "WooCommerce",
    "xai": "xAI",
}
"""Parts of ids that are not written as they stand there."""


def kind_in_words(kind: str) -> str:
    """The name of a kind of credential for people. An id that is not known here is split into
    words.

    Such an id begins with the name of a service, or of what the credential opens.
    """
    if (known := KINDS.get(kind)) is not None:
        return known
    parts = [part for part in kind.split("-") if part]
    if not parts:
        return "credential"
    first, *rest = parts
    return " ".join(
        [WORDS.get(first, first.capitalize()), *(WORDS.get(part, part) for part in rest)]
    )
