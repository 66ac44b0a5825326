# The images of a release, for `docker buildx bake`: `npm run release:images` writes them to .data/images as OCI archives, or,
# if REGISTRY is set (such as registry.example.com/acme), pushes them there. Building for two platforms requires a separate
# builder (docker buildx create --use), and QEMU (docker run --privileged --rm tonistiigi/binfmt --install all).

variable "npm_package_version" { default = "0.0.0" }
variable "REVISION" { default = "" }
variable "REGISTRY" { default = "" }

function "tag" {
  params = [name, version]
  result = REGISTRY == "" ? "${name}:${version}" : "${REGISTRY}/${name}:${version}"
}

function "output" {
  params = [name]
  result = REGISTRY == "" ? "type=oci,dest=.data/images/${name}.tar" : "type=registry"
}

group "default" { targets = ["comfy-fleet", "comfy-fleet-comfyui"] }

target "comfy-fleet" {
  dockerfile = "infra/docker/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = [tag("comfy-fleet", npm_package_version), tag("comfy-fleet", "latest")]
  output     = [output("comfy-fleet")]
  labels = {
    "org.opencontainers.image.title"       = "comfy-fleet"
    "org.opencontainers.image.description" = "A durable job API in front of a fleet of ComfyUI GPUs"
    "org.opencontainers.image.version"     = npm_package_version
    "org.opencontainers.image.revision"    = REVISION
    "org.opencontainers.image.created"     = timestamp()
    "org.opencontainers.image.licenses"    = "MIT"
  }
}

# torch includes CUDA only for amd64.
target "comfy-fleet-comfyui" {
  dockerfile = "infra/docker/comfyui.Dockerfile"
  platforms  = ["linux/amd64"]
  tags       = [tag("comfy-fleet-comfyui", "0.33.0")]
  output     = [output("comfy-fleet-comfyui")]
  labels = {
    "org.opencontainers.image.title"    = "comfy-fleet-comfyui"
    "org.opencontainers.image.version"  = "0.33.0"
    "org.opencontainers.image.revision" = REVISION
    "org.opencontainers.image.created"  = timestamp()
    "org.opencontainers.image.licenses" = "GPL-3.0-only"
  }
}
