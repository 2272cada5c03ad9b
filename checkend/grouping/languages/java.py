"""Java and other JVM languages: lambdas, anonymous classes, proxies and reflection, coroutines."""

from __future__ import annotations

import re

from checkend.grouping.language import Language, words
from checkend.grouping.stacktrace import Frame

# Proxies, reflection stubs and hidden lambda classes: made by the JVM or a framework at run time.
_GENERATED = re.compile(
    r"\$\$Lambda|\$Proxy\d|CGLIB\$\$|\$\$FastClass|GeneratedMethodAccessor|GeneratedConstructorAccessor|"
    r"LambdaForm\$|\$HibernateProxy|\$ByteBuddy|\$MockitoMock|\$auxiliary\$|_ClientProxy\.|_Subclass\."
)
_LAMBDA = re.compile(r"(?:lambda|\$anonfun)\$(\w{1,200}?)(?:\$\d+)*(?:\$adapted)?\Z")
_LIBRARIES = words(
    """
    java javax jakarta jdk sun oracle kotlin kotlinx scala groovy clojure akka android androidx dalvik
    junit javassist reactor rx feign okhttp3 okio retrofit2 freemarker play zio cats weblogic brave
    antlr dagger coil
    org.springframework org.apache org.hibernate org.eclipse org.jboss org.wildfly org.junit
    org.postgresql org.h2 org.hsqldb org.mariadb org.mongodb org.slf4j org.aopalliance org.aspectj
    org.mockito org.thymeleaf org.mybatis org.jooq org.quartz org.glassfish org.flywaydb org.liquibase
    org.elasticsearch org.opensearch org.codehaus org.jetbrains org.joda org.yaml org.json org.antlr
    org.redisson org.keycloak org.bouncycastle org.ehcache org.objectweb org.xerial org.sqlite org.jsoup
    org.http4s org.scalatest org.neo4j org.owasp org.testng org.gradle org.reactivestreams
    com.sun com.fasterxml com.google com.mysql com.zaxxer com.mongodb com.netflix com.amazonaws com.ibm
    com.rabbitmq com.microsoft com.azure com.oracle com.github com.squareup com.jayway com.thoughtworks
    com.datastax com.twilio com.stripe com.hazelcast com.typesafe com.android com.mchange com.alibaba
    com.baomidou com.checkend com.vaadin com.esotericsoftware com.lmax com.novell com.codahale
    io.netty io.undertow io.micronaut io.quarkus io.vertx io.reactivex io.lettuce io.grpc io.micrometer
    io.opentelemetry io.opentracing io.jsonwebtoken io.swagger io.ktor io.r2dbc io.smallrye
    io.dropwizard io.prometheus io.kubernetes io.confluent io.sentry io.github io.agroal
    net.sf net.bytebuddy net.snowflake net.sourceforge net.spy net.minidev net.jodah
    ch.qos redis.clients software.amazon nl.basjes de.codecentric
    """
)


def _is_library(path: str, function: str) -> bool:
    if _GENERATED.search(function):
        return True
    name = function.rpartition("/")[2]  # without the class loader and module: app//, java.base/
    # A servlet container compiles the app's own pages into a package of its own.
    if name.startswith("org.apache.jsp."):
        return False
    first, _, rest = name.partition(".")
    return first in _LIBRARIES or f"{first}.{rest.partition('.')[0]}" in _LIBRARIES


def _clean_name(name: str, minified: bool) -> str:
    name = name.rpartition("/")[2] if "/" in name and "$$Lambda" not in name else name
    owner, _, own = name.rpartition(".")
    match = _LAMBDA.match(own)
    if match:
        own = {"null": "", "new": "<init>", "static": "<clinit>"}.get(match[1], match[1])
    owner, _, nested = owner.partition("$")
    if own in ("invokeSuspend", "invoke", "apply", "doResume") and nested:  # Kotlin's coroutines and lambdas
        enclosing = nested.partition("$")[0]
        own = enclosing if enclosing and not enclosing.isdecimal() else own
        nested = ""
    named = "$".join(part for part in nested.split("$") if part and not part.isdecimal())
    owner = f"{owner}${named}" if named else owner
    return f"{owner}.{own}" if own else ""


def _package(frame: Frame) -> str:
    name = frame.method.rpartition("/")[2]
    return ".".join(name.split("+")[0].split(".")[:-1][:3])


LANGUAGE = Language(
    name="java",
    aliases=words("java kotlin scala"),
    extensions=words("java kt scala groovy clj"),
    is_library=_is_library,
    clean_name=_clean_name,
    package=_package,
    has_qualified_names=True,
    has_classes_for_files=True,
    scheduler_packages=r"java\.util\.concurrent | java\.lang | jdk\.internal | sun\.reflect",
    runtime_errors=words(
        """
        NullPointerException ArithmeticException ArrayIndexOutOfBoundsException IndexOutOfBoundsException
        StringIndexOutOfBoundsException ClassCastException NumberFormatException NegativeArraySizeException
        ArrayStoreException ConcurrentModificationException StackOverflowError OutOfMemoryError NoSuchElementException
        """
    ),
    overflow_errors=words("StackOverflowError"),
)
