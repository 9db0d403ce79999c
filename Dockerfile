# The image holds the binary, the public CA roots and nothing else: no shell,
# no package manager, no user database.
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
ARG TARGETOS
ARG TARGETARCH
# v1.0.0 builds with the Go Cryptographic Module of that version: docs/fips.md.
ARG GOFIPS140=off
RUN CGO_ENABLED=0 GOFIPS140=$GOFIPS140 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X main.stamp=$VERSION" -o /out/hmaproxy ./cmd/hmaproxy

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hmaproxy /hmaproxy
USER 65532:65532
ENTRYPOINT ["/hmaproxy"]
HEALTHCHECK --interval=10s --timeout=6s --start-period=20s --retries=3 CMD ["/hmaproxy", "health", "live"]
