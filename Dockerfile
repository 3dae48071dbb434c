# The image of `chatcli` for any platform: docker buildx build --platform linux/amd64,linux/arm64 .
# `make image` makes the same image without a Docker daemon, for the platform that it runs on.
ARG RUST=1.95
FROM rust:${RUST}-slim-bookworm AS build
WORKDIR /src
COPY . .
# Static: the last stage has no C library. The target must be named, or build scripts would be linked that way too.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    set -eu; \
    apt-get update; \
    apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev; \
    target="$(rustc --print host-tuple 2>/dev/null || rustc -vV | sed -n 's/^host: //p')"; \
    RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --release --locked -p chatcli --target "$target"; \
    install -D "target/$target/release/chatcli" /image/bin/chatcli; \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt; \
    printf 'root:x:0:0:root:/:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/bin/sh\n' > /image/etc/passwd; \
    printf 'root:x:0:\nnonroot:x:65532:\n' > /image/etc/group; \
    printf 'hosts: files dns\n' > /image/etc/nsswitch.conf

FROM scratch
LABEL org.opencontainers.image.title="chatcli" \
      org.opencontainers.image.description="AIOps for Kubernetes: operator, server and tools in one binary" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/diillson/chatcli"
COPY --from=build /image/ /
ENV PATH=/bin
USER 65532:65532
ENTRYPOINT ["/bin/chatcli"]
