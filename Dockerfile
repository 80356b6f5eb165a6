# Run it with --stop-timeout 60: a drain takes longer than Docker's 10 s. Its
# configuration, /bellhop.yaml or $BELLHOP_CONFIG, has listen: 0.0.0.0:8080.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /bellhop . && mkdir -m 0700 /data

FROM gcr.io/distroless/static:nonroot
COPY --from=build /bellhop /bellhop
COPY --from=build --chown=nonroot:nonroot /data /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/bellhop"]
