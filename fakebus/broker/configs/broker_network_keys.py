"""Configs of Kafka's broker: listeners, threads, TLS, SASL and other security."""

from __future__ import annotations

from fakebus.broker.configs.definition import ConfigKey, UpdateMode
from fakebus.broker.configs.values import ConfigType

BOOLEAN = ConfigType.BOOLEAN
CLASS = ConfigType.CLASS
DOUBLE = ConfigType.DOUBLE
INT = ConfigType.INT
LIST = ConfigType.LIST
LONG = ConfigType.LONG
PASSWORD = ConfigType.PASSWORD
SHORT = ConfigType.SHORT
STRING = ConfigType.STRING
CLUSTER_WIDE = UpdateMode.CLUSTER_WIDE
PER_BROKER = UpdateMode.PER_BROKER

NETWORK_KEYS = (
    ConfigKey("advertised.listeners", LIST, None, valid="non-empty list"),
    ConfigKey("authorizer.class.name", STRING, "", valid="non-null string"),
    ConfigKey("connection.failed.authentication.delay.ms", INT, "100", valid="[0,...]"),
    ConfigKey("connections.max.idle.ms", LONG, "600000", effective=True),
    ConfigKey("connections.max.reauth.ms", LONG, "0"),
    ConfigKey("delegation.token.expiry.check.interval.ms", LONG, "3600000", valid="[1,...]"),
    ConfigKey("delegation.token.expiry.time.ms", LONG, "86400000", valid="[1,...]"),
    ConfigKey("delegation.token.max.lifetime.ms", LONG, "604800000", valid="[1,...]"),
    ConfigKey("delegation.token.secret.key", PASSWORD, None),
    ConfigKey("early.start.listeners", LIST, None),
    ConfigKey("inter.broker.listener.name", STRING, None),
    ConfigKey(
        "listener.security.protocol.map",
        STRING,
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        update=PER_BROKER,
    ),
    ConfigKey("listeners", LIST, "PLAINTEXT://:9092", valid="non-empty list", update=PER_BROKER),
    ConfigKey(
        "max.connection.creation.rate", INT, "2147483647", valid="[0,...]", update=CLUSTER_WIDE
    ),
    ConfigKey("max.connections", INT, "2147483647", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey("max.connections.per.ip", INT, "2147483647", valid="[0,...]", update=CLUSTER_WIDE),
    ConfigKey("max.connections.per.ip.overrides", STRING, "", update=CLUSTER_WIDE),
    ConfigKey("num.io.threads", INT, "8", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey("num.network.threads", INT, "3", valid="[1,...]", update=CLUSTER_WIDE),
    ConfigKey(
        "principal.builder.class",
        CLASS,
        "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        update=PER_BROKER,
    ),
    ConfigKey("queued.max.request.bytes", LONG, "-1"),
    ConfigKey("queued.max.requests", INT, "500", valid="[1,...]"),
    ConfigKey("request.timeout.ms", INT, "30000"),
    ConfigKey("sasl.client.callback.handler.class", CLASS, None),
    ConfigKey("sasl.enabled.mechanisms", LIST, "GSSAPI", update=PER_BROKER),
    ConfigKey("sasl.jaas.config", PASSWORD, None, update=PER_BROKER),
    ConfigKey("sasl.kerberos.kinit.cmd", STRING, "/usr/bin/kinit", update=PER_BROKER),
    ConfigKey("sasl.kerberos.min.time.before.relogin", LONG, "60000", update=PER_BROKER),
    ConfigKey("sasl.kerberos.principal.to.local.rules", LIST, "DEFAULT", update=PER_BROKER),
    ConfigKey("sasl.kerberos.service.name", STRING, None, update=PER_BROKER),
    ConfigKey("sasl.kerberos.ticket.renew.jitter", DOUBLE, "0.05", update=PER_BROKER),
    ConfigKey("sasl.kerberos.ticket.renew.window.factor", DOUBLE, "0.8", update=PER_BROKER),
    ConfigKey("sasl.login.callback.handler.class", CLASS, None),
    ConfigKey("sasl.login.class", CLASS, None),
    ConfigKey("sasl.login.connect.timeout.ms", INT, None),
    ConfigKey("sasl.login.read.timeout.ms", INT, None),
    ConfigKey("sasl.login.refresh.buffer.seconds", SHORT, "300", update=PER_BROKER),
    ConfigKey("sasl.login.refresh.min.period.seconds", SHORT, "60", update=PER_BROKER),
    ConfigKey("sasl.login.refresh.window.factor", DOUBLE, "0.8", update=PER_BROKER),
    ConfigKey("sasl.login.refresh.window.jitter", DOUBLE, "0.05", update=PER_BROKER),
    ConfigKey("sasl.login.retry.backoff.max.ms", LONG, "10000"),
    ConfigKey("sasl.login.retry.backoff.ms", LONG, "100"),
    ConfigKey("sasl.mechanism.controller.protocol", STRING, "GSSAPI"),
    ConfigKey("sasl.mechanism.inter.broker.protocol", STRING, "GSSAPI", update=PER_BROKER),
    ConfigKey(
        "sasl.oauthbearer.assertion.algorithm",
        STRING,
        "RS256",
        valid="(case insensitive) [ES256, RS256]",
    ),
    ConfigKey("sasl.oauthbearer.assertion.claim.aud", STRING, None),
    ConfigKey("sasl.oauthbearer.assertion.claim.exp.seconds", INT, "300", valid="[0,...,86400]"),
    ConfigKey("sasl.oauthbearer.assertion.claim.iss", STRING, None),
    ConfigKey("sasl.oauthbearer.assertion.claim.jti.include", BOOLEAN, "false"),
    ConfigKey("sasl.oauthbearer.assertion.claim.nbf.seconds", INT, "60", valid="[0,...,3600]"),
    ConfigKey("sasl.oauthbearer.assertion.claim.sub", STRING, None),
    ConfigKey("sasl.oauthbearer.assertion.file", STRING, None),
    ConfigKey("sasl.oauthbearer.assertion.private.key.file", STRING, None),
    ConfigKey("sasl.oauthbearer.assertion.private.key.passphrase", PASSWORD, None),
    ConfigKey("sasl.oauthbearer.assertion.template.file", STRING, None),
    ConfigKey("sasl.oauthbearer.client.credentials.client.id", STRING, None),
    ConfigKey("sasl.oauthbearer.client.credentials.client.secret", PASSWORD, None),
    ConfigKey("sasl.oauthbearer.clock.skew.seconds", INT, "30"),
    ConfigKey("sasl.oauthbearer.expected.audience", LIST, ""),
    ConfigKey("sasl.oauthbearer.expected.issuer", STRING, None),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG, "3600000"),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", LONG, "10000"),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", LONG, "100"),
    ConfigKey("sasl.oauthbearer.jwks.endpoint.url", STRING, None),
    ConfigKey(
        "sasl.oauthbearer.jwt.retriever.class",
        CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
    ),
    ConfigKey(
        "sasl.oauthbearer.jwt.validator.class",
        CLASS,
        "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
    ),
    ConfigKey("sasl.oauthbearer.scope", STRING, None),
    ConfigKey("sasl.oauthbearer.scope.claim.name", STRING, "scope"),
    ConfigKey("sasl.oauthbearer.sub.claim.name", STRING, "sub"),
    ConfigKey("sasl.oauthbearer.token.endpoint.url", STRING, None),
    ConfigKey("sasl.server.callback.handler.class", CLASS, None),
    ConfigKey("sasl.server.max.receive.size", INT, "524288"),
    ConfigKey(
        "security.inter.broker.protocol",
        STRING,
        "PLAINTEXT",
        valid="[PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL]",
    ),
    ConfigKey("security.providers", STRING, None),
    ConfigKey("socket.connection.setup.timeout.max.ms", LONG, "30000"),
    ConfigKey("socket.connection.setup.timeout.ms", LONG, "10000"),
    ConfigKey("socket.listen.backlog.size", INT, "50", valid="[1,...]"),
    ConfigKey("socket.receive.buffer.bytes", INT, "102400"),
    ConfigKey("socket.request.max.bytes", INT, "104857600", valid="[1,...]", effective=True),
    ConfigKey("socket.send.buffer.bytes", INT, "102400"),
    ConfigKey("ssl.allow.dn.changes", BOOLEAN, "false"),
    ConfigKey("ssl.allow.san.changes", BOOLEAN, "false"),
    ConfigKey("ssl.cipher.suites", LIST, "", update=PER_BROKER),
    ConfigKey(
        "ssl.client.auth", STRING, "none", valid="[required, requested, none]", update=PER_BROKER
    ),
    ConfigKey("ssl.enabled.protocols", LIST, "TLSv1.2,TLSv1.3", update=PER_BROKER),
    ConfigKey("ssl.endpoint.identification.algorithm", STRING, "https", update=PER_BROKER),
    ConfigKey("ssl.engine.factory.class", CLASS, None, update=PER_BROKER),
    ConfigKey("ssl.key.password", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.keymanager.algorithm", STRING, "SunX509", update=PER_BROKER),
    ConfigKey("ssl.keystore.certificate.chain", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.keystore.key", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.keystore.location", STRING, None, update=PER_BROKER),
    ConfigKey("ssl.keystore.password", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.keystore.type", STRING, "JKS", update=PER_BROKER),
    ConfigKey("ssl.principal.mapping.rules", STRING, "DEFAULT"),
    ConfigKey("ssl.protocol", STRING, "TLSv1.3", update=PER_BROKER),
    ConfigKey("ssl.provider", STRING, None, update=PER_BROKER),
    ConfigKey("ssl.secure.random.implementation", STRING, None, update=PER_BROKER),
    ConfigKey("ssl.trustmanager.algorithm", STRING, "PKIX", update=PER_BROKER),
    ConfigKey("ssl.truststore.certificates", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.truststore.location", STRING, None, update=PER_BROKER),
    ConfigKey("ssl.truststore.password", PASSWORD, None, update=PER_BROKER),
    ConfigKey("ssl.truststore.type", STRING, "JKS", update=PER_BROKER),
)
