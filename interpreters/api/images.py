from collections.abc import Iterator

from ninja import Query, Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS, Image, ImageWish, ImageWords
from interpreters.catalog import images
from interpreters.models import InterpreterImage
from interpreters.sessions import problems

router = Router(tags=["images"])

CHUNK = 256 * 1024
Origin = InterpreterImage.Origin


@router.get("/images", response={200: list[Image], **ERRORS}, summary="Your images, and those that all tenants share")
async def list_images(request: Request) -> list[Image]:
    return [Image.of(image, log=False) for image in await images.list_of(request.auth)]


@router.post(
    "/images",
    response={202: Image, **ERRORS},
    summary="An image by its name in a registry",
    description="It is pulled by a worker: ask for it again until its `state` is ready or failed.",
)
async def create_image(request: Request, wanted: ImageWish) -> Status[Image]:
    about = wanted.dict(exclude={"name", "reference", "credential"})
    image = await images.create(
        request.auth, wanted.name, wanted.credential, registry_reference=wanted.reference, **about
    )
    return Status(202, Image.of(image))


@router.get("/images/{slug:image}", response={200: Image, **ERRORS}, summary="How an image stands, with its log")
async def get_image(request: Request, image: str) -> Image:
    return Image.of(await images.get(request.auth, image))


@router.put(
    "/images/{slug:image}/archive",
    response={202: Image, **ERRORS},
    summary="An image by an archive of `docker save`",
    description="The body is the archive. A second one under the same name replaces the image.",
)
async def upload_archive(request: Request, image: str, words: Query[ImageWords]) -> Status[Image]:
    return await _uploaded(request, image, Origin.ARCHIVE, words)


@router.put(
    "/images/{slug:image}/context",
    response={202: Image, **ERRORS},
    summary="An image built from a Dockerfile",
    description="The body is a Dockerfile, or a tar or zip with one at its root and what it copies beside it.",
)
async def upload_context(request: Request, image: str, words: Query[ImageWords]) -> Status[Image]:
    return await _uploaded(request, image, Origin.DOCKERFILE, words)


@router.post("/images/{slug:image}/refresh", response={202: Image, **ERRORS}, summary="Pull or build it anew")
async def refresh_image(request: Request, image: str) -> Status[Image]:
    return Status(202, Image.of(await images.refresh(request.auth, image)))


@router.delete("/images/{slug:image}", response={204: None, **ERRORS}, summary="Delete an image that no pool uses")
async def delete_image(request: Request, image: str) -> Status[None]:
    await images.delete(request.auth, image)
    return Status(204, None)


async def _uploaded(request: Request, name: str, origin: str, words: ImageWords) -> Status[Image]:
    length = request.headers.get("Content-Length") or "0"
    if not length.isascii() or not length.isdecimal():
        raise problems.BadRequest("Content-Length must be a number.")
    image = await images.upload(request.auth, name, origin, int(length), _body(request), **words.dict())
    return Status(202, Image.of(image))


def _body(request: Request) -> Iterator[bytes]:
    """The body in pieces, from the file that the server has spooled it to."""
    while chunk := request.read(CHUNK):
        yield chunk
