import "./chrome";
